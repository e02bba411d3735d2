"""llama_mob: a language model tuned on questions and answers about trajectories."""
