"""OpenAI's client for Python against `pilot-light serve`.

    python openai.py http://127.0.0.1:8080 [--tools] [--suffix]

The server's model is one of the chat. With --tools its chat template takes tools, with --suffix it fills in.
"""

import sys

# This file's folder comes first on the path, and in it this file would be the module.
sys.path.pop(0)

import openai  # noqa: E402
from openai import OpenAI  # noqa: E402

address, *flags = sys.argv[1:]
client = OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
messages = [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]
asked = {"model": "any", "messages": messages, "temperature": 0, "max_completion_tokens": 32}


def chat():
    reply = client.chat.completions.create(**asked)
    assert reply.choices[0].message.content, reply
    assert reply.choices[0].finish_reason in ("stop", "length"), reply
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    again = client.chat.completions.create(**asked)
    assert again.usage.prompt_tokens_details.cached_tokens > 0, again
    assert again.choices == reply.choices
    print("chat:", reply.choices[0].message.content)
    return reply


def stream(whole):
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    *texts, last, usage = chunks
    assert texts[0].choices[0].delta.role == "assistant"
    assert all(chunk.choices[0].finish_reason is None for chunk in texts)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in texts)
    assert text == whole.choices[0].message.content, text
    assert last.choices[0].finish_reason == whole.choices[0].finish_reason
    assert usage.choices == [] and usage.usage.completion_tokens == whole.usage.completion_tokens
    # The helper of the client, which puts the chunks together.
    with client.chat.completions.stream(**asked) as events:
        assert events.get_final_completion().choices[0].message.content == text


def several():
    story = [{"role": "user", "content": "Begin a story."}]
    options = {**asked, "messages": story, "temperature": 1.5, "seed": 7, "n": 3, "max_completion_tokens": 12}
    first = client.chat.completions.create(**options)
    assert len({choice.message.content for choice in first.choices}) > 1, first
    assert client.chat.completions.create(**options).choices == first.choices


def logprobs():
    reply = client.chat.completions.create(**asked, logprobs=True, top_logprobs=2)
    content = reply.choices[0].logprobs.content
    assert "".join(token.token for token in content) == reply.choices[0].message.content
    assert all(token.logprob == token.top_logprobs[0].logprob for token in content)


def tools():
    tool = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    question = [{"role": "user", "content": "What is the weather in Paris?"}]
    options = {**asked, "messages": question, "tools": [tool], "max_completion_tokens": 64}
    reply = client.chat.completions.create(**options)
    print("tools:", reply.choices[0].message)
    with client.chat.completions.stream(**options) as events:
        streamed = events.get_final_completion()
    assert streamed.choices[0].message.content == reply.choices[0].message.content
    calls = [call.function for call in reply.choices[0].message.tool_calls or []]
    again = [call.function for call in streamed.choices[0].message.tool_calls or []]
    assert [(call.name, call.arguments) for call in calls] == [(call.name, call.arguments) for call in again]
    if calls:
        call = reply.choices[0].message.tool_calls[0]
        result = {"role": "tool", "tool_call_id": call.id, "content": "18 degrees, sunny"}
        turns = [*question, reply.choices[0].message.model_dump(exclude_none=True), result]
        said = client.chat.completions.create(**{**options, "messages": turns})
        print("after the call:", said.choices[0].message.content)


def completions(has_suffix):
    reply = client.completions.create(model="any", prompt="One, two, three,", max_tokens=8, temperature=0, logprobs=2)
    text = reply.choices[0].text
    assert "".join(reply.choices[0].logprobs.tokens) == text, reply
    chunks = client.completions.create(model="any", prompt="One, two, three,", max_tokens=8, temperature=0, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == text
    print("completion:", text)
    options = {"prompt": "def add(a, b):\n    ", "suffix": "\n\nprint(add(2, 3))\n", "max_tokens": 24, "temperature": 0}
    if has_suffix:
        print("middle:", repr(client.completions.create(model="any", **options).choices[0].text))
    else:
        refused(openai.BadRequestError, "unsupported", lambda: client.completions.create(model="any", **options))


def refused(kind, code, ask):
    try:
        ask()
    except kind as error:
        assert error.code == code, error
    else:
        raise AssertionError(f"expected {kind.__name__}")


def errors():
    long = [{"role": "user", "content": "word " * 100_000}]
    create = client.chat.completions.create
    refused(openai.BadRequestError, "context_length_exceeded", lambda: create(**{**asked, "messages": long}))
    refused(openai.BadRequestError, "unsupported", lambda: create(**asked, logit_bias={"1": 1}))
    refused(openai.NotFoundError, "model_not_found", lambda: client.models.retrieve("another"))


names = [model.id for model in client.models.list()]
print("models:", names)
assert client.models.retrieve(names[0]).id == names[0]
whole = chat()
stream(whole)
several()
logprobs()
if "--tools" in flags:
    tools()
completions("--suffix" in flags)
errors()
if len(names) > 1:
    vectors = client.embeddings.create(model=names[1], input=["a text", "another"]).data
    assert abs(sum(number * number for number in vectors[0].embedding) - 1) < 1e-5
print("passed")
