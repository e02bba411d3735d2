"""Files of the challenges: scored, checked, reproduced."""
