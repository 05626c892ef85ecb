"""What workloads share: a kind says how records are read, split into tensors, learnt from and answered."""
