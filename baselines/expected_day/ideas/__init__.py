"""What further ideas are worth to expected_day: python -m baselines.expected_day.ideas FOLDER [--seeds 3].

FOLDER holds city_X.csv.gz of HuMob 2024, and poi_city_X.csv.gz where there are points of interest. Days 45-59 are asked
with weights fitted to days 0-44, with and without each idea; later days are dropped as they are read. Scores are means
over seeds, as one seed's draws move them by as much as most ideas. It prints tables, a row an idea: mean scores, and
the paired difference with its 95 % interval (bootstrap over users, cities count alike). An idea gets a place in the
model if its interval is above 0.

Kinds of ideas, one file each: other samples (:mod:`.samples`), more columns of the logit (:mod:`.columns`), a further
search after the decoding (:mod:`.refinement`), training windows with a break of the calendar (:mod:`.pause`).
"""
