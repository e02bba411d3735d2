"""How networks are trained here: one loop for adapters of this project and of others.

Write a :class:`~bench.training.loop.Task` (what a step learns from, its loss, a score on held-out people), choose a
:class:`~bench.training.recipe.Recipe`, and run a :class:`~bench.training.loop.Trainer`:

1. ``recipe``: epochs, learning rate, schedule, clipping, averages, which weights are kept.
2. ``batching``: batches of similar length.
3. ``loop``: the steps, validation, pruning, time limits; several processes by accelerate.
4. ``checkpoint``: one safetensors file; a fit that was killed resumes and ends with the same weights.
5. ``fit_report``: what a fit came to, for the record.
6. ``curves``: a log as CSV, the loss curve as a figure, a model card.
7. ``distributed``: the same fit on several GPUs.
"""
