"""Fine-tuning: examples, LoRA, the loop with its checkpoints, several GPUs."""
