"""Reports of experiments: plans, readings, designs and lists, as text and as pages."""
