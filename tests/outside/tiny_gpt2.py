"""A GPT-2 made in a moment, with a tokenizer of a few pairs of bytes, and a server that answers as
one of OpenAI's.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

TEXT = "".join(
    f"the cat sat on mat {i}, and the dog ate it. what a day for cats!\n" for i in range(40)
)
POSITIONS = 48


def build(folder: Path) -> Path:
    """Write the folder; the weights are drawn, so its texts are nonsense."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([TEXT], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|endoftext|>")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"n_positions": POSITIONS, "n_embd": 16, "n_layer": 2, "n_head": 2}
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), **sizes, **ends)).save_pretrained(folder)
    return folder


class Server(BaseHTTPRequestHandler):
    """Loops at temperature 0, else says what it was asked with."""

    heard: list[dict[str, Any]] = []

    def do_GET(self) -> None:
        self._answer({"data": [{"id": "makers/tiny-7b"}]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Server.heard.append(asked)
        if asked["prompt"] == "broken":
            return self._answer({"choices": []})
        text = (
            " and on" * 30
            if asked["temperature"] == 0
            else f" {asked['seed']} ways out of {asked['prompt']}"
        )
        return self._answer({"choices": [{"text": text}]})

    def _answer(self, tree: Any) -> None:
        body = json.dumps(tree).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[str]:
    """The address of one on this machine."""
    Server.heard.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
