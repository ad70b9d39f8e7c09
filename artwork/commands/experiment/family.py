"""``artwork experiment``: from a plan to a decision on record, on the workspace or on a table of one's own."""

import typer

from artwork.commands.experiment import designs, plans, readings

app = typer.Typer(
    name="experiment",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Register, plan, check, read and decide experiments: variants against a control, by users.",
)

app.command("new")(plans.new_command)
app.command("plan")(plans.plan_command)
app.command("start")(plans.start_command)
app.command("assign")(plans.assign_command)
app.command("check")(readings.check_command)
app.command("read")(readings.read_command)
app.command("peek")(readings.peek_command)
app.command("interleave")(readings.interleave_command)
app.command("decide")(readings.decide_command)
app.command("explain")(readings.explain_command)
app.command("interactions")(designs.interactions_command)
app.command("panel")(designs.panel_command)
app.command("cutoff")(designs.cutoff_command)
app.command("stop")(plans.stop_command)
app.command("list")(plans.list_command)
