"""The jobs: data sets, tables, training, picks and their publication; the only writer of picks."""
