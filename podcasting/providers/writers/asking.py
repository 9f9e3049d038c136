"""Asking a language model: one HTTP client, no retries but Airdate's own, and errors whose class decides.

Loads pydantic-ai and the providers' own libraries: import it where it is used.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

import httpx2
from pydantic import ValidationError
from pydantic_ai import Agent, ModelRetry, NativeOutput, ToolOutput
from pydantic_ai.exceptions import AgentRunError, ContentFilterError, OutputTokenLimitExceeded, UnexpectedModelBehavior
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from podcasting.errors import AirdateError, Permanent, Retryable
from podcasting.observing import spent
from podcasting.providers.writers.bounded import client
from podcasting.providers.writers.endpoint import Endpoint
from podcasting.providers.writers.prompting import Prompt
from podcasting.providers.writers.refusal import hidden, told
from podcasting.providers.writers.reply import Reply

log = logging.getLogger(__name__)

Check = Callable[[Reply], list[str]]
"""What in a reply breaks the brief, as the model should hear it."""


async def ask(
    endpoint: Endpoint, prompt: Prompt, check: Check, *, asks: int, timeout_seconds: float, most_tokens: int
) -> Reply:
    """The first of at most ``asks`` replies that has the schema and in which ``check`` finds no fault.

    Each request may take ``timeout_seconds``, all of it counted. What it cost is told to
    :func:`podcasting.observing.spent`.

    Raises:
        Permanent, Retryable, Throttled: as :meth:`podcasting.providers.writers.model.ModelWriter.write` says.
    """
    wrong: list[str] = []
    async with client(timeout_seconds) as http:
        model = Metered(_model(endpoint, http), endpoint)
        native = model.profile.get("supports_json_schema_output", False)
        agent: Agent[object, Reply] = Agent(
            model,
            output_type=NativeOutput(Reply) if native else ToolOutput(Reply, name="script"),
            instructions=prompt.system,
            retries={"output": asks - 1},
            model_settings=ModelSettings(
                max_tokens=most_tokens, request_timeout=timeout_seconds, timeout=timeout_seconds, max_retries=0
            ),
        )

        @agent.output_validator
        def fits(reply: Reply) -> Reply:
            wrong[:] = check(reply)
            if wrong:
                log.info("the script of %s does not fit its brief: %s", endpoint.name, "; ".join(wrong))
                raise ModelRetry("The script can't be used. Write all of it again, mended: " + "; ".join(wrong))
            return reply

        try:
            return (await agent.run(prompt.user)).output
        except AirdateError:
            raise
        except AgentRunError as error:
            if model.answered and _gave_up(error):
                raise _unfitting(endpoint, asks, wrong, error) from error
            raise told(error, endpoint) from error
        except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
            # The providers' libraries trust what they parse.
            raise Retryable(
                f"{endpoint.name} at {endpoint.url} gave an answer that can't be read: "
                f"{type(error).__name__}: {hidden(str(error), endpoint)}"
            ) from error


class Metered(WrapperModel):
    """Tells what each request cost, and takes no refusal and no half reply for a reply."""

    def __init__(self, wrapped: Model, endpoint: Endpoint) -> None:
        super().__init__(wrapped)
        self.endpoint = endpoint
        self.answered = 0
        """How many replies came."""

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """See :class:`pydantic_ai.models.Model`."""
        response = await super().request(messages, model_settings, model_request_parameters)
        self.answered += 1
        spent(
            _dollars(response, self.endpoint),
            input_tokens=response.usage.input_tokens,
            output_tokens=response.usage.output_tokens,
        )
        if response.finish_reason == "content_filter":
            raise ContentFilterError(str((response.provider_details or {}).get("refusal") or "content filter"))
        if not response.parts:
            raise UnexpectedModelBehavior("it is empty")
        if response.finish_reason == "length":
            raise OutputTokenLimitExceeded("its reply was cut off")
        return response


def _dollars(response: ModelResponse, endpoint: Endpoint) -> float | None:
    """By the prices that came with genai-prices; None where they don't say."""
    from genai_prices import calc_price

    if not endpoint.prices:
        return None
    try:
        found = calc_price(response.usage, response.model_name or endpoint.model, provider_id=endpoint.prices)
    except (LookupError, ValueError) as error:
        log.debug("no price of %s: %s", endpoint.name, error)
        return None
    return max(0.0, float(found.total_price))


def _model(endpoint: Endpoint, http: httpx2.AsyncClient) -> Model:
    if endpoint.protocol == "anthropic":
        from anthropic import AsyncAnthropic
        from pydantic_ai.models.anthropic import AnthropicModel
        from pydantic_ai.providers.anthropic import AnthropicProvider

        asked = AsyncAnthropic(api_key=endpoint.key, base_url=endpoint.url, http_client=http, max_retries=0)
        return AnthropicModel(endpoint.model, provider=AnthropicProvider(anthropic_client=asked))
    if endpoint.protocol == "gemini":
        from pydantic_ai.models.google import GoogleModel
        from pydantic_ai.providers.google import GoogleProvider

        return GoogleModel(
            endpoint.model, provider=GoogleProvider(api_key=endpoint.key, base_url=endpoint.url, http_client=http)
        )
    return _chat_model(endpoint, http)


def _chat_model(endpoint: Endpoint, http: httpx2.AsyncClient) -> Model:
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.profiles.openai import OpenAIModelProfile
    from pydantic_ai.providers.openai import OpenAIProvider
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    # The library insists on a key; a server that asks for none ignores it.
    asked = AsyncOpenAI(api_key=endpoint.key or "none", base_url=endpoint.url, http_client=http, max_retries=0)
    if endpoint.prices == "openai":  # its own service takes what other servers of its protocol don't
        return OpenAIChatModel(endpoint.model, provider=OpenAIProvider(openai_client=asked))
    return OpenAIChatModel(
        endpoint.model,
        provider=OpenAICompatibleProvider(endpoint.engine, openai_client=asked),
        # Its newer name for the limit, which its own newer models insist on, is ignored by Ollama (ollama/ollama#7125)
        # and refused by others: then a reply that never ends would go on until the time is up.
        profile=OpenAIModelProfile(openai_chat_supports_max_completion_tokens=_is_openais(endpoint)),
    )


def _is_openais(endpoint: Endpoint) -> bool:
    """Whether a server that is not OpenAI's passes requests on to a model that is, by the model's name."""
    return endpoint.engine == "openai" and re.match(r"(?:openai/)?(?:gpt-\d|o\d)", endpoint.model) is not None


def _gave_up(error: AgentRunError) -> bool:
    """Whether replies came, and none was taken."""
    return type(error) is UnexpectedModelBehavior and "maximum" in error.message and "retries" in error.message


def _unfitting(endpoint: Endpoint, asks: int, wrong: list[str], error: AgentRunError) -> Permanent:
    found = wrong or _schema_faults(error) or ["it does not have the schema that was asked for"]
    return Permanent(
        f"{endpoint.name} wrote {asks} scripts and none fits the brief: {'; '.join(found)[:800]}; "
        "leave out a source that misleads it, choose another model (`airdate podcasts set PODCAST "
        "writing.engine=…`) or another length (writing.minutes=…), and `airdate episodes retry` it"
    )


def _schema_faults(error: BaseException) -> list[str]:
    """What the schema says against the last reply, from wherever in the error's causes it stands."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ValidationError):
            return [
                f"{'.'.join(map(str, each['loc'])) or 'the reply'}: {each['msg']}"
                for each in seen.errors(include_url=False, include_input=False)[:4]
            ]
        seen = seen.__cause__ or seen.__context__
    return []
