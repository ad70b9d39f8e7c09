"""Whether the world, the log or what is learned from it has changed: numbers of nights in, alarms out.

``detector`` sums evidence of a change over every night on which it may have begun; ``numbers`` makes the numbers that are
compared with their own past; ``propensities`` bets against what a log says of how its artworks were drawn.
"""

from bandit.monitoring.detector import NIGHTS_TO_FALSE_ALARM as NIGHTS_TO_FALSE_ALARM
from bandit.monitoring.detector import Alarm as Alarm
from bandit.monitoring.detector import Member as Member
from bandit.monitoring.detector import Watched as Watched
from bandit.monitoring.detector import against_past as against_past
from bandit.monitoring.detector import against_truth as against_truth
from bandit.monitoring.detector import watch as watch
from bandit.monitoring.numbers import Numbers as Numbers
from bandit.monitoring.numbers import context_numbers as context_numbers
from bandit.monitoring.numbers import contrast_numbers as contrast_numbers
from bandit.monitoring.numbers import ratio_numbers as ratio_numbers
from bandit.monitoring.numbers import user_shares as user_shares
from bandit.monitoring.propensities import propensity_bets as propensity_bets
