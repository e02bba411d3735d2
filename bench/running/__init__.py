"""From a protocol to records: splits, plan, runner, workers."""
