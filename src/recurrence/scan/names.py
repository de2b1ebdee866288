"""The names under which programs and people keep what a model wrote."""

TEXTS = (
    *("text", "generated_text", "completion", "response", "choices", "candidates"),
    *("output_text", "output", "outputs", "prediction", "predictions", "generation"),
    *("generations", "resps", "content", "messages", "conversation", "conversations"),
    "trajectory",
)
"""Where texts stand, the first that has one."""
WITHIN = ("message", "result", "delta", "body", "parts", "summary", "value")
"""Where they stand as well, but for a plain string that a record has there itself."""
TOKENS = (
    *("tokens", "token_ids", "output_ids", "output_token_ids", "completion_token_ids"),
    *("generated_ids", "generated_token_ids", "ids", "input_ids"),
)
REASONING = ("reasoning_content", "reasoning", "thinking", "reasoning_text", "thought")
"""What stands beside an answer."""
CONVERSATIONS = ("messages", "conversation", "conversations", "trajectory", "output", "input")
"""Where messages stand, with calls of tools."""
SPEAKERS = {"assistant", "model", "gpt", "ai", "bot", "chatbot"}
"""Who speaks for a model in a conversation."""
