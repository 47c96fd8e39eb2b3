"""Recognition: a picture → an answer, stored; the network that answers, exchanged while it serves."""
