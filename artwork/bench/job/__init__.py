"""The whole job, from contexts and impressions on disk to a generation that is served."""
