"""The open-loop driver: compiled, on a schedule made beforehand."""
