"""A server of language models on loopback that speaks the three protocols their libraries speak, and says what a
test writes down.

OpenAI's chat completions (``/v1/chat/completions``, ``/v1/models``), Anthropic's messages (``/v1/messages``,
``/v1/models/ID``) and Gemini's generateContent (``/v1beta/models/ID:generateContent``, ``/v1beta/models/ID``), in the
shapes that their references document.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from podcasting.providers.writers import Brief
from tests.fakes.loopback_server import HttpHandler, LoopbackServer

KEY = "of-a-test"
MODELS = ("test-model", "gpt-5-mini", "claude-haiku-4-5", "gemini-2.5-flash", "gemini-flash-latest")
INPUT_TOKENS, OUTPUT_TOKENS = 1000, 200


@dataclass(frozen=True)
class Says:
    """What the model says: text that should be JSON, or a refusal."""

    text: str = ""
    refuses: bool = False
    cut_off: bool = False
    """For want of tokens."""


@dataclass(frozen=True)
class Fails:
    """How a request fails before a model says anything."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = "failed"
    content_type: str = "application/json"
    body: bytes | None = None
    hangs: bool = False
    """Takes the request, and answers nothing until the server closes."""
    breaks_off: bool = False
    """Ends the connection in the middle of a body."""
    dribbles: bool = False
    """Sends a byte of its body now and then, and never the last."""


Answer = Says | Fails


class ModelServer(LoopbackServer):
    """Gives ``answers`` one by one, the last of them again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.answers: list[Answer] = list(answers)
        self.asked: list[Asked] = []
        self.writes: Callable[[Asked], str] | None = None
        """Makes what is said of what is asked, where no answers are set."""
        self._lock = threading.Lock()
        super().__init__(type("Handler", (_Handler,), {"model": self}))

    @property
    def url(self) -> str:
        return self.address

    def answer(self, asked: Asked) -> Answer:
        """What the next request is answered with."""
        with self._lock:
            self.asked.append(asked)
            if self.writes is not None and not self.answers:
                return Says(self.writes(asked))
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Handler(HttpHandler):
    protocol_version = "HTTP/1.1"
    model: ModelServer

    def do_GET(self) -> None:
        protocol, known = _catalogue(self.path)
        if not _authorised(protocol, self.headers):
            self._send(401, _error(protocol, 401, "invalid_api_key"))
        elif known is None:
            self._send(404, _error(protocol, 404, "not_found"))
        else:
            self._send(200, json.dumps(known).encode())

    def do_POST(self) -> None:
        body = json.loads(self.body())
        protocol = _protocol(self.path)
        if protocol is None:
            self._send(404, b"{}")
            return
        asked = Asked(protocol, self.path, self.headers_by_name(), body)
        if not _authorised(protocol, self.headers):
            self._send(401, _error(protocol, 401, "invalid_api_key"))
            return
        wrong = REFUSALS[protocol](asked)
        if wrong:
            self._send(400, _error(protocol, 400, wrong))
            return
        answer = self.model.answer(asked)
        if isinstance(answer, Fails):
            self._fail(protocol, answer)
        else:
            self._send(200, json.dumps(REPLIES[protocol](asked, answer)).encode())

    def _fail(self, protocol: str, answer: Fails) -> None:
        if answer.hangs:
            self.model.closing.wait()
            self.close_connection = True
        elif answer.breaks_off or answer.dribbles:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "4000")
            self.end_headers()
            self.wfile.write(b'{"id": "half of a')
            with suppress(OSError):  # as below
                while answer.dribbles and not self.model.closing.wait(0.05):
                    self.wfile.write(b" ")
            self.close_connection = True
        else:
            body = answer.body if answer.body is not None else _error(protocol, answer.status, answer.code)
            self._send(answer.status, body, answer.content_type, answer.headers)

    def _send(
        self,
        status: int,
        body: bytes,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        with suppress(OSError):  # who asked may have given up
            self.answer(status, {"Content-Type": content_type} | dict(headers or {}), body)


@dataclass(frozen=True)
class Asked:
    """A request for a reply."""

    protocol: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def system(self) -> str:
        """What the model is told by its operator."""
        if self.protocol == "openai":
            return "\n".join(_text(each) for each in self.body["messages"] if each["role"] in {"system", "developer"})
        if self.protocol == "anthropic":
            return _text({"content": self.body["system"]})
        return _text({"content": self.body["systemInstruction"]["parts"]})

    @property
    def said(self) -> list[str]:
        """What it is told by its user, message by message; the last may say what was wrong."""
        if self.protocol == "gemini":
            return [_text({"content": each["parts"]}) for each in self.body["contents"] if each["role"] == "user"]
        return [_text(each) for each in self.body["messages"] if each["role"] in {"user", "tool"}]

    @property
    def tools(self) -> list[str]:
        """What it may call: nothing but the form of its reply, if that is a tool."""
        if self.protocol == "gemini":
            return [each["name"] for tool in self.body.get("tools", ()) for each in tool["functionDeclarations"]]
        return [each.get("name") or each["function"]["name"] for each in self.body.get("tools", ())]


def _text(message: Mapping[str, Any]) -> str:
    content = message["content"]
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text") or part.get("content") or part) for part in content)


def _protocol(path: str) -> str | None:
    plain = path.partition("?")[0]
    if plain == "/v1/chat/completions":
        return "openai"
    if plain == "/v1/messages":
        return "anthropic"
    return "gemini" if re.fullmatch(r"/v1beta/models/[^/:]+:generateContent", plain) else None


def _catalogue(path: str) -> tuple[str, dict[str, Any] | None]:
    if path == "/v1/models":
        return "openai", {"object": "list", "data": [{"id": name, "object": "model"} for name in MODELS]}
    protocol = "gemini" if path.startswith("/v1beta/") else "anthropic"
    name = path.rpartition("/")[2]
    return protocol, ({"id": name, "name": f"models/{name}", "type": "model"} if name in MODELS else None)


def _authorised(protocol: str, headers: Any) -> bool:
    given = str(headers.get("x-api-key") or headers.get("x-goog-api-key") or headers.get("Authorization", ""))
    key = given.removeprefix("Bearer ")
    # A server of one's own asks for none; OpenAI's library insists on sending one.
    return key == KEY or (protocol == "openai" and key in {"", "none"})


def _refused_by_openai(asked: Asked) -> str | None:
    body = asked.body
    if not body.get("model") or not body.get("messages"):
        return "you must provide a model and messages"
    if "max_tokens" in body and "max_completion_tokens" in body:
        return "setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported"
    if re.match(r"gpt-5|o\d", body["model"]) and "max_tokens" in body:
        return "unsupported parameter: 'max_tokens' is not supported with this model"
    form = body.get("response_format", {}).get("json_schema", {})
    if form.get("strict") and any(
        part.get("additionalProperties") is not False or set(part["required"]) != set(part["properties"])
        for part in _objects(form["schema"])
    ):
        return "invalid schema for response_format: every property is required, and no other is allowed"
    return None


def _refused_by_anthropic(asked: Asked) -> str | None:
    body = asked.body
    if "anthropic-version" not in asked.headers:
        return "anthropic-version: header is required"
    if not isinstance(body.get("max_tokens"), int) or not body.get("model") or not body.get("messages"):
        return "max_tokens, model and messages: field required"
    schema = body.get("output_config", {}).get("format", {}).get("schema", {})
    for part in _parts(schema):
        unsupported = part.keys() & {"minimum", "maximum", "minLength", "maxLength", "maxItems", "multipleOf"}
        if unsupported:
            return f"output_config.format.schema: {sorted(unsupported)} are not supported"
    return None


def _refused_by_gemini(asked: Asked) -> str | None:
    if not asked.body.get("contents"):
        return "contents is not specified"
    config = asked.body.get("generationConfig", {})
    if "responseJsonSchema" in config and config.get("responseMimeType") != "application/json":
        return "a response schema needs the response mime type application/json"
    return None


REFUSALS = {"openai": _refused_by_openai, "anthropic": _refused_by_anthropic, "gemini": _refused_by_gemini}
"""Why each refuses a request that its reference does not allow, or None."""


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """A JSON Schema and all within it."""
    if isinstance(schema, dict):
        yield schema
        for each in schema.values():
            yield from _parts(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _parts(each)


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    return (part for part in _parts(schema) if part.get("type") == "object" and "properties" in part)


def _error(protocol: str, status: int, code: str) -> bytes:
    message = f"the test says {code}"
    if protocol == "anthropic":
        kinds = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
                 404: "not_found_error", 429: "rate_limit_error", 529: "overloaded_error"}  # fmt: skip
        shown: Any = {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": message}}
    elif protocol == "gemini":
        states = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
                  429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}  # fmt: skip
        shown = {"error": {"code": status, "message": message, "status": states.get(status, "INTERNAL")}}
    else:
        shown = {"error": {"message": message, "type": "error", "param": None, "code": code}}
    return json.dumps(shown).encode()


def _openai(asked: Asked, says: Says) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": says.text, "refusal": None}
    reason = "length" if says.cut_off else "stop"
    if says.refuses:
        message |= {"content": None, "refusal": "I can't help with that."}
    elif asked.tools:
        call = {"name": asked.tools[0], "arguments": says.text}
        message |= {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": call}]}
        reason = "length" if says.cut_off else "tool_calls"
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": asked.body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
        "usage": {
            "prompt_tokens": INPUT_TOKENS,
            "completion_tokens": OUTPUT_TOKENS,
            "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        },
    }


def _anthropic(asked: Asked, says: Says) -> dict[str, Any]:
    reason = "refusal" if says.refuses else "max_tokens" if says.cut_off else "end_turn"
    content: list[dict[str, Any]] = [{"type": "text", "text": says.text}]
    if says.refuses:
        content = []
    elif asked.tools:
        try:
            content = [{"type": "tool_use", "id": "toolu_1", "name": asked.tools[0], "input": json.loads(says.text)}]
            reason = "max_tokens" if says.cut_off else "tool_use"
        except ValueError:
            pass  # a model that doesn't use the tool says text
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": asked.body["model"],
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS},
    }


def _gemini(asked: Asked, says: Says) -> dict[str, Any]:
    usage = {
        "promptTokenCount": INPUT_TOKENS,
        "candidatesTokenCount": OUTPUT_TOKENS,
        "totalTokenCount": INPUT_TOKENS + OUTPUT_TOKENS,
    }
    model = asked.path.rpartition("/")[2].partition(":")[0]
    if says.refuses:
        return {"candidates": [{"finishReason": "SAFETY", "index": 0}], "usageMetadata": usage, "modelVersion": model}
    content = {"role": "model", "parts": [{"text": says.text}]}
    reason = "MAX_TOKENS" if says.cut_off else "STOP"
    return {
        "candidates": [{"content": content, "finishReason": reason, "index": 0}],
        "usageMetadata": usage,
        "modelVersion": model,
    }


REPLIES = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini}


def reply_to(brief: Brief, *, words: int = 240) -> dict[str, Any]:
    """A reply that fits an English brief: of about ``words`` words, each host in turn."""
    count = len(brief.stories) + 2
    names = ("Welcome", *(story.title for story in brief.stories), "Goodbye")
    each = max(8 * len(brief.hosts), words // count)
    return {
        "title": "What we learned this week",
        "summary": "The hosts talk about what the stories say and where each of them comes from.",
        "sections": [
            {
                "number": number,
                "title": f"{name[:100]}",
                "turns": [{"host": host, "text": _sentences(each // len(brief.hosts), number)} for host in brief.hosts],
            }
            for number, name in enumerate(names)
        ],
    }


def _sentences(words: int, number: int) -> str:
    """English of exactly so many words."""
    said = ("The story is about the water and the wind and what they do with each other all of the day " * 200).split()
    chosen = said[number : number + words]
    return f"{' '.join(chosen).capitalize()}."


def _in_turns(words: int, number: int) -> list[str]:
    """So many words, none of them in a turn that is longer than was asked for."""
    most = 200
    return [_sentences(min(most, words - start), number) for start in range(0, words, most)]


def written_by(asked: Asked) -> str:
    """A reply to whatever is asked, as a model makes it: of the hosts, stories and length it is told of."""
    show = json.loads(re.search(r"^\{.*\}$", asked.system, re.MULTILINE)[0])  # type: ignore[index]  # it is there
    stories = [json.loads(found) for found in re.findall(r"<story>\s(.*?)\s</story>", asked.said[0], re.DOTALL)]
    amount = int(re.search(r"have about (\d+) ", asked.system)[1])  # type: ignore[index]  # as above
    titles = ("Welcome", *(story["title"] for story in stories), "Goodbye")
    hosts = show["hosts"]
    each = round(amount / len(titles) / len(hosts))
    sections = [
        {
            "number": number,
            "title": title[:120],
            "turns": [{"host": host, "text": text} for host in hosts for text in _in_turns(each, number)],
        }
        for number, title in enumerate(titles)
    ]
    summary = "The hosts talk about what is in the stories of the week."
    return json.dumps({"title": "What is in the news of the week", "summary": summary, "sections": sections})
