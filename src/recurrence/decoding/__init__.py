"""From a model and prompts to text: filters over the next token's logits, the loop that draws, named strategies."""
