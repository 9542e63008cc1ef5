"""Makes a checkpoint folder around a tokenizer: `python -m train.files FOLDER` (tokenizer.json must be there).

Writes the configuration, the template and random weights; training replaces the weights alone.
"""

import pathlib
import sys

import torch
from tokenizers import Tokenizer

from nano.form import describe, write
from train import model as nano
from train.tokenizer import VOCABULARY

TEMPLATE = r"""
{%- macro render_content(content) -%}
    {%- if content is string -%}
        {{- content -}}
    {%- elif content is iterable and content is not mapping -%}
        {%- for item in content -%}
            {%- if item.type == 'image' or 'image' in item or 'image_url' in item -%}
                {{- '<|vision_start|><|image_pad|><|vision_end|>' -}}
            {%- elif item.type == 'video' or 'video' in item -%}
                {{- '<|vision_start|><|video_pad|><|vision_end|>' -}}
            {%- elif 'text' in item -%}
                {{- item.text -}}
            {%- else -%}
                {{- raise_exception('Unexpected item type in content.') -}}
            {%- endif -%}
        {%- endfor -%}
    {%- elif content is not none and content is defined -%}
        {{- raise_exception('Unexpected content type.') -}}
    {%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
    {%- set content = render_content(message.content)|trim -%}
    {%- if message.role == 'system' -%}
        {%- if not loop.first -%}
            {{- raise_exception('System message must be at the beginning.') -}}
        {%- endif -%}
        {{- '<|im_start|>system\n' + content + '<|im_end|>\n' -}}
    {%- elif message.role == 'user' -%}
        {{- '<|im_start|>user\n' + content + '<|im_end|>\n' -}}
    {%- elif message.role == 'assistant' -%}
        {%- set reasoning = message.reasoning_content|trim if message.reasoning_content is string else '' -%}
        {{- '<|im_start|>assistant\n<think>\n' + reasoning + '\n</think>\n\n' + content -}}
        {%- for tool_call in message.tool_calls or [] -%}
            {%- set call = tool_call.function if tool_call.function is defined else tool_call -%}
            {%- if loop.first -%}
                {{- '\n\n' if content else '' -}}
            {%- else -%}
                {{- '\n' -}}
            {%- endif -%}
            {{- '<tool_call>\n<function=' + call.name + '>\n' -}}
            {%- for name, value in call.arguments|items -%}
                {%- set value = value if value is string else value|tojson -%}
                {{- '<parameter=' + name + '>\n' + value + '\n</parameter>\n' -}}
            {%- endfor -%}
            {{- '</function>\n</tool_call>' -}}
        {%- endfor -%}
        {{- '<|im_end|>\n' -}}
    {%- elif message.role == 'tool' -%}
        {%- if loop.first or messages[loop.index0 - 1].role != 'tool' -%}
            {{- '<|im_start|>user' -}}
        {%- endif -%}
        {{- '\n<tool_response>\n' + content + '\n</tool_response>' -}}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' -%}
            {{- '<|im_end|>\n' -}}
        {%- endif -%}
    {%- else -%}
        {{- raise_exception('Unexpected message role.') -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {%- if enable_thinking is defined and enable_thinking is false -%}
        {{- '<|im_start|>assistant\n<think>\n\n</think>\n\n' -}}
    {%- else -%}
        {{- '<|im_start|>assistant\n<think>\n' -}}
    {%- endif -%}
{%- endif -%}
""".lstrip("\n")

PREPROCESSOR = {
    "size": {"shortest_edge": 160 * 224, "longest_edge": 512 * 512},
    "patch_size": 16, "temporal_patch_size": 2, "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
    "processor_class": "Qwen3VLProcessor", "image_processor_type": "Qwen2VLImageProcessorFast",
}
AURORE = {
    "name": "nano", "version": 0,
    "agent": {"memory": "frame", "viewport": [160, 210], "max_new_tokens": 160},
}


def main():
    folder = pathlib.Path(sys.argv[1])
    ids = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    describe(folder, ids, 4096)
    write(folder, "preprocessor_config.json", PREPROCESSOR)
    write(folder, "aurore.json", AURORE)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    configuration = nano.config(ids, VOCABULARY)
    nano.save_config(configuration, folder)
    torch.manual_seed(0)
    nano.save_weights(nano.create(configuration), folder / "model.safetensors")


if __name__ == "__main__":
    main()
