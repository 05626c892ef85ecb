"""The seven steps of dvc.yaml: one module, one public function and its settings each."""
