"""What further ideas are worth to expected_day: python -m baselines.expected_day.ideas FOLDER [--seeds 3].

FOLDER holds city_X.csv.gz of HuMob 2024, and poi_city_X.csv.gz where there are points of interest. Days 45-59 are asked
with weights fitted to days 0-44, with and without each idea; later days are dropped as they are read. Scores are means
over seeds: with one seed, chance is as large as most ideas' gains. It prints tables, a row an idea: mean scores, and
the paired difference with its 95 % interval (bootstrap over users, cities count alike). An interval above 0 is where a
closer look begins: what an idea costs, and what it does to the other scores, count too.

Kinds of ideas, one file each: other samples (:mod:`.samples`), more columns of the logit (:mod:`.columns`), a further
search after the decoding (:mod:`.refinement`), training windows with a break of the calendar (:mod:`.pause`).
"""
