"""From an answer back to the data, the code and the decisions that it rests on."""
