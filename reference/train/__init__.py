"""How nano is made: capture of episodes, texts, tokenizer, training and evaluation."""
