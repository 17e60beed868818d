# %% [markdown]
# ---
# description: >-
#   What breaks when older tutorials meet transformers 5, datasets 5 and huggingface_hub 2:
#   each old line run today with the error it raises, beside the line that replaces it.
# executor:
#   timeout: 120
# ---
# # What changed: transformers 4 to 5, datasets 3 to 5, huggingface_hub 0 to 2
#
# After this page you can take a tutorial that no longer runs and repair it line by line:
# look up the line or its error, and copy the replacement. The build runs every old line
# and every new one, so the middle column of each table is what happened, not what somebody
# remembers.
#
# ## One line that used to work
#
# Transformers 5.0.0 came out in January 2026 [@transformers-5-0]; the last release of
# version 4 that we found is from the same month [@transformers-4-57-6]. Many courses and
# posts were written before. One of their favorite lines:

# %%
import sys

from transformers import pipeline

try:
    pipeline("summarization")
except KeyError as error:
    print(f"KeyError: {error.args[0]}", file=sys.stderr)

# %% [markdown]
# ## How this page checks
#
# `compare` takes pairs of old and new code, runs both, and keeps what it caught. The text
# that is run is the text that the tables show.

# %%
from snippets.report.changes import compare

# %% [markdown]
# There are four outcomes:
#
# - **fails**: an error.
# - **differs**: it runs, and the last expression gives another value than the new line.
#   This is the dangerous one.
# - **warns**: it runs, gives the same, and complains.
# - **same**: it runs without a word. The old name still works, or the argument is ignored.
#
# Models are needed to try things on. These have a few hundred random weights and the folder
# names stand where you would write an id of the Hub.

# %%
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from snippets.report.tiny_models import save_tiny_models

disable_progress_bar()
folder, home = TemporaryDirectory(), Path.cwd()
os.chdir(folder.name)
print(save_tiny_models(Path()))
tokenizer = AutoTokenizer.from_pretrained("bert")
model = AutoModelForSequenceClassification.from_pretrained("bert").eval()
ids = torch.tensor([[5, 6, 7]])
image = Image.new("RGB", (16, 16))
names = {"model": model, "tokenizer": tokenizer, "ids": ids, "image": image}

# %% [markdown]
# ## Pipelines
#
# The pipelines for summarization, translation and text-to-text were removed in 5.0.0
# [@transformers-v5-pipelines-removed], those for question answering and image to image
# later [@transformers-pipelines-removed-later]. The models are still there. Load the class
# with the right *head* (the last layers, which do the task) and call it yourself, or give
# the task to a chat model. The alias `sentiment-analysis` lives on.

# %%
names["pipeline"] = pipeline
t5 = """from transformers import AutoModelForSeq2SeqLM
text = tokenizer("a text", return_tensors="pt", return_token_type_ids=False)
AutoModelForSeq2SeqLM.from_pretrained("t5").generate(**text, max_new_tokens=3)"""
chat = """pipe = pipeline("text-generation", model="gpt2")
pipe([{"role": "user", "content": "a short text"}], max_new_tokens=3)"""
answering = """from transformers import AutoModelForQuestionAnswering
AutoModelForQuestionAnswering.from_config(model.config)(ids).start_logits"""
visual = """from transformers import ViltConfig, ViltForQuestionAnswering
ViltForQuestionAnswering(ViltConfig(hidden_size=8, num_attention_heads=2))"""
captions = """pipe = pipeline("image-text-to-text", model="blip")
pipe(image, text="a", max_new_tokens=3)"""
upscale = """from transformers import Swin2SRConfig, Swin2SRForImageSuperResolution
Swin2SRForImageSuperResolution(Swin2SRConfig(embed_dim=8, depths=[1], num_heads=[2]))"""
every_score = """pipe = pipeline("text-classification", model="bert", top_k=None)
type(pipe("cats")[0])"""
classify = 'type(pipeline("text-classification", model="bert")).__name__'
pipelines = compare(
    [
        ('pipeline("summarization", model="t5")', t5),
        ('pipeline("translation_en_to_fr", model="t5")', t5),
        ('pipeline("text2text-generation", model="t5")', t5),
        ('pipeline("conversational", model="gpt2")', chat),
        ('pipeline("question-answering", model="bert")', answering),
        ('pipeline("visual-question-answering", model="blip")', visual),
        ('pipeline("image-to-text", model="blip")(image)', captions),
        ('pipeline("image-to-image", model="blip")', upscale),
        (
            'pipeline("ner", model="tagger", grouped_entities=True)',
            'pipe = pipeline("ner", model="tagger", aggregation_strategy="simple")',
        ),
        (every_score.replace("top_k=None", "return_all_scores=True"), every_score),
        (classify.replace("text-classification", "sentiment-analysis"), classify),
        (classify.replace('"bert"', '"bert", framework="tf"'), classify),
    ],
    names,
)
pipelines

# %% [markdown]
# Two traps. `return_all_scores=True` is taken without a word, and one score comes back
# instead of all. `image-to-text` becomes `image-text-to-text`, which wants a text beside
# the image, so the error comes one line later than its cause.
#
# ## Classes and imports
#
# PyTorch is the only framework left [@transformers-v5-pytorch-only], and some architectures
# are gone altogether [@transformers-old-models-dropped]. A saved model of a lost kind needs
# version 4. Names with `Fast` still import: they now point to the one tokenizer that each
# model has [@transformers-v5-tokenizers].

# %%
bert = "from transformers import BertModel"
imports = compare(
    [
        ("from transformers import TFBertModel", bert),
        ("from transformers import FlaxBertModel", bert),
        ("from transformers.modeling_bert import BertModel", bert),
        ("from transformers import TransfoXLModel", "# pip install 'transformers<5'"),
        ("from transformers import AdamW", "from torch.optim import AdamW"),
        (
            "from transformers import AutoModelWithLMHead",
            "from transformers import AutoModelForCausalLM",
        ),
        (
            "from transformers import AutoModelForVision2Seq",
            "from transformers import AutoModelForImageTextToText",
        ),
        (
            "from transformers import TextDataset",
            "from datasets import load_dataset",
        ),
        (
            "from transformers import TRANSFORMERS_CACHE",
            "from huggingface_hub.constants import HF_HUB_CACHE",
        ),
        (
            "from transformers import BertTokenizerFast as Tokenizer\nTokenizer",
            "from transformers import BertTokenizer as Tokenizer\nTokenizer",
        ),
    ],
    names,
)
imports

# %% [markdown]
# The environment variable `TRANSFORMERS_CACHE` does nothing now. `HF_HOME` moves the cache,
# if it is set before the first import:

# %%
import subprocess

show = (
    "from huggingface_hub.constants import HF_HUB_CACHE as cache; print('mine' in cache)"
)
for variable in ["TRANSFORMERS_CACHE", "HF_HOME"]:
    environment = {
        k: v for k, v in os.environ.items() if k not in {"HF_HOME", "HF_HUB_CACHE"}
    }
    environment[variable] = "mine"
    answer = subprocess.run(
        [sys.executable, "-c", show],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    print(f"{variable:18} moves the cache: {answer.stdout.strip()}")

# %% [markdown]
# ## Loading and saving
#
# An argument that `from_pretrained` does not know is passed on to the model, hence errors
# that name `__init__`. Precision is the change with the widest effect: a checkpoint saved
# in half precision now loads in half precision, where version 4 gave `float32`
# [@transformers-v5-dtype]. On a CPU that can be slower, and sums come out a little
# different.

# %%
from functools import partial

names |= {"AutoModel": AutoModelForSequenceClassification, "torch": torch}
names |= {"AutoTokenizer": AutoTokenizer, "partial": partial}
half = AutoModelForSequenceClassification.from_pretrained("bert").half()
half.save_pretrained("half")
load = 'AutoModel.from_pretrained("bert")'
quantized = """from transformers import BitsAndBytesConfig
config = BitsAndBytesConfig(load_in_8bit=True)  # as quantization_config=config"""
pickled = """from pathlib import Path
torch.save(model.state_dict(), "pytorch_model.bin")
Path("pytorch_model.bin").exists()"""
unsafe = """from pathlib import Path
model.save_pretrained("copy", safe_serialization=False)
Path("copy/pytorch_model.bin").exists()"""
masked = """masked = model(ids, head_mask=torch.zeros(1, 2)).logits
masked.equal(model(ids).logits)"""
hooked = """heads = model.bert.encoder.layer[0].attention.output.dense
hook = heads.register_forward_pre_hook(lambda _, inputs: (inputs[0] * 0,))
masked = model(ids).logits
hook.remove()
masked.equal(model(ids).logits)"""
loading = compare(
    [
        (
            'AutoModel.from_pretrained("bert", torch_dtype=torch.float16).dtype',
            'AutoModel.from_pretrained("bert", dtype=torch.float16).dtype',
        ),
        (
            'AutoModel.from_pretrained("half").dtype',
            'AutoModel.from_pretrained("half", dtype=torch.float32).dtype',
        ),
        (
            'AutoModel.from_pretrained("bert", use_auth_token=False)',
            'AutoModel.from_pretrained("bert", token=False)',
        ),
        ('AutoModel.from_pretrained("bert", load_in_8bit=True)', quantized),
        ('AutoModel.from_pretrained("bert", resume_download=True)', load),
        ('AutoModel.from_pretrained("bert", torchscript=True)', load),
        (
            'AutoModel.from_pretrained("bert", use_flash_attention_2=True)',
            'AutoModel.from_pretrained("bert", attn_implementation="sdpa")',
        ),
        (
            'AutoModel.from_pretrained("bert", from_tf=True).dtype',
            'AutoModel.from_pretrained("bert").dtype',
        ),
        (unsafe, pickled),
        ("model.prune_heads({0: [0]})", "# pip install 'transformers<5'"),
        (masked, hooked),
        (
            'model.push_to_hub("me/bert", use_auth_token=True)',
            'partial(model.push_to_hub, "me/bert", token=True)',
        ),
    ],
    names,
)
loading

# %% [markdown]
# Three old arguments are swallowed. `from_tf=True` is ignored. `safe_serialization=False`
# is ignored too: what lands on disk is safetensors, a format without code in it. A
# `head_mask` no longer masks anything, so an experiment that switches heads off would
# report that no head matters. Masking and pruning of heads were removed on purpose
# [@transformers-v5-removed-features]; the hook on the right does the masking itself.
# Functions that would reach the network are bound with `partial` here and below: that
# checks that the name is there, and sends nothing.
# `AutoModel` stands for `AutoModelForSequenceClassification` in this table.
#
# ## Tokenizers
#
# Calling the tokenizer replaces a family of methods [@transformers-v5-encode-plus].

# %%
encode = 'tokenizer("a short text").input_ids'
pairs = """batch = tokenizer(["cats"], text_target=["dogs"])
batch["labels"]"""
padded = 'tokenizer("cats", padding="max_length", max_length=6).input_ids'
talk = """message = {"role": "user", "content": "cats"}
tokenizer.apply_chat_template([message])"""
tokenizers = compare(
    [
        ('tokenizer.encode_plus("a short text").input_ids', encode),
        (
            'tokenizer.batch_encode_plus(["cats"]).input_ids',
            'tokenizer(["cats"]).input_ids',
        ),
        ('tokenizer.prepare_seq2seq_batch(["cats"], ["dogs"])', pairs),
        ("with tokenizer.as_target_tokenizer():\n    tokenizer(['dogs'])", pairs),
        (
            "tokenizer.build_inputs_with_special_tokens([5])",
            'tokenizer.encode("a")',
        ),
        ("tokenizer.max_len", "tokenizer.model_max_length"),
        ("tokenizer.additional_special_tokens", "tokenizer.extra_special_tokens"),
        ('tokenizer("a b").words()', 'tokenizer("a b").word_ids()'),
        (padded.replace('padding="max_length"', "pad_to_max_length=True"), padded),
        (talk, talk.replace("[message]", "[message], return_dict=False")),
        ("tokenizer.batch_decode([[5, 6], [7]])", "tokenizer.decode([[5, 6], [7]])"),
        (
            'AutoTokenizer.from_pretrained("bert", use_fast=False).is_fast',
            'AutoTokenizer.from_pretrained("bert").is_fast',
        ),
    ],
    names,
)
tokenizers

# %% [markdown]
# `pad_to_max_length=True` is the one to search for in old code: it no longer pads, and the
# shapes go wrong later. `use_fast=False` is ignored. `apply_chat_template` gives a mapping instead of a list, so
# `len()` of it now counts keys.
#
# ## Images
#
# Every `FeatureExtractor` for images is an `ImageProcessor`
# [@transformers-v5-feature-extractors], and `backend` picks between torchvision and PIL
# [@transformers-v5-use-fast].

# %%
processor = """from transformers import AutoImageProcessor
type(AutoImageProcessor.from_pretrained("vit", backend="pil")).__name__"""
vit = "from transformers import ViTImageProcessor as Processor\nProcessor"
images = compare(
    [
        ("from transformers import ViTFeatureExtractor as Processor\nProcessor", vit),
        (vit.replace("ViTImageProcessor", "ViTImageProcessorFast"), vit),
        (processor.replace('backend="pil"', "use_fast=False"), processor),
        (
            "from transformers import AutoFeatureExtractor\n"
            'AutoFeatureExtractor.from_pretrained("vit")',
            processor,
        ),
    ],
    names,
)
images

# %% [markdown]
# ## Trainer
#
# A dozen arguments of `TrainingArguments` were renamed or dropped
# [@transformers-v5-trainer]. None is forgiven: each raises `TypeError`. A `compute_loss` of
# your own must accept one more argument.

# %%
from transformers import Trainer, TrainingArguments

arguments = TrainingArguments(
    "out", report_to="none", use_cpu=True, dataloader_pin_memory=False, disable_tqdm=True
)
names |= {"Trainer": Trainer, "TrainingArguments": TrainingArguments}
names |= {"arguments": arguments}


def argument(old, new):
    return tuple(f'TrainingArguments("out", {code})' for code in (old, new))


def own_loss(*parameters):
    return f"""class OwnTrainer(Trainer):
    def compute_loss({", ".join(parameters)}):
        return super().compute_loss(model, inputs, return_outputs)
rows = [{{"input_ids": [5, 6], "labels": 0}}] * 4
OwnTrainer(model, arguments, train_dataset=rows).train().global_step"""


loss = ("self", "model", "inputs", "return_outputs=False")
training = compare(
    [
        argument('evaluation_strategy="no"', 'eval_strategy="no"'),
        argument("no_cuda=True", "use_cpu=True"),
        argument("warmup_ratio=0.1", "warmup_steps=0.1"),
        argument("per_gpu_train_batch_size=8", "per_device_train_batch_size=8"),
        argument("group_by_length=True", 'train_sampling_strategy="group_by_length"'),
        argument("adafactor=True", 'optim="adafactor"'),
        argument('push_to_hub_token="x"', 'hub_token="x"'),
        argument("include_inputs_for_metrics=True", 'include_for_metrics=["inputs"]'),
        (
            'TrainingArguments("out", overwrite_output_dir=True)',
            'TrainingArguments("out")',
        ),
        (
            'TrainingArguments("out", logging_dir="logs")',
            'import os\nos.environ["TENSORBOARD_LOGGING_DIR"] = "logs"',
        ),
        (
            "Trainer(model, arguments, tokenizer=tokenizer)",
            "Trainer(model, arguments, processing_class=tokenizer)",
        ),
        (own_loss(*loss), own_loss(*loss, "num_items_in_batch=None")),
    ],
    names,
)
training

# %% [markdown]
# ## Generating text
#
# Settings for generation live in `generation_config`, and rare search strategies moved to
# the Hub as code to download. The cache of keys and values is an object instead of nested
# tuples.

# %%
from transformers import AutoModelForCausalLM

names["gpt2"] = AutoModelForCausalLM.from_pretrained("gpt2")
sample = "gpt2.generate(ids, max_new_tokens=2, top_k=1).tolist()"
beams = "gpt2.generate(ids, max_new_tokens=2, num_beams=2).tolist()"
old_sampling = f"""from copy import deepcopy
gpt2 = deepcopy(gpt2)
gpt2.config.do_sample = True
{sample}"""
generating = compare(
    [
        (old_sampling, old_sampling.replace("gpt2.config", "gpt2.generation_config")),
        (beams.replace("s=2)", "s=2, num_beam_groups=2, diversity_penalty=1.0)"), beams),
        (
            "gpt2(ids).past_key_values[0][0].shape",
            "gpt2(ids).past_key_values.layers[0].keys.shape",
        ),
        ("model.generation_config", "gpt2.generation_config"),
    ],
    names,
)
generating

# %% [markdown]
# ## datasets
#
# Version 4 of `datasets` removed the Python scripts that used to load a dataset
# [@datasets-no-scripts]. Load the Parquet copy of such a dataset, or convert it once
# [@datasets-script-way-out]. A column is now a lazy `Column` that reads rows when asked
# [@datasets-4-0]: it compares and slices like a list, but it is none.

# %%
import datasets

datasets.disable_progress_bars()
Path("scripted").mkdir()
Path("scripted", "scripted.py").write_text("import datasets")
Path("table.csv").write_text("text,label\ncats,0\ndogs,1\n")
names["dataset"] = datasets.Dataset.from_dict({"text": ["cats", "dogs"]})
names["load_dataset"] = datasets.load_dataset
csv = 'load_dataset("csv", data_files="table.csv").num_rows'
features = """from datasets import Features, List, Value
Features({"words": List(Value("string"))})"""
accuracy = """from sklearn.metrics import accuracy_score
accuracy_score([0, 1], [0, 1])  # or the package evaluate, for many more"""
tables = compare(
    [
        ('load_dataset("scripted")', csv),
        (csv.replace(").num", ", trust_remote_code=True).num"), csv),
        (
            csv.replace(").num", ", use_auth_token=False).num"),
            csv.replace(").num", ", token=False).num"),
        ),
        (
            csv.replace(").num", ", ignore_verifications=True).num"),
            csv.replace(").num", ', verification_mode="no_checks").num'),
        ),
        ('load_dataset("csv", data_files="table.csv", task="text-classification")', csv),
        ("from datasets import load_metric", accuracy),
        (
            "from datasets import list_datasets",
            "from huggingface_hub import list_datasets",
        ),
        (
            "from datasets import set_caching_enabled",
            "from datasets import disable_caching, enable_caching",
        ),
        (
            'dataset.rename_column_("text", "words")',
            'dataset.rename_column("text", "words").column_names',
        ),
        ('isinstance(dataset["text"], list)', 'isinstance(dataset["text"][:], list)'),
        ('dataset["text"] + ["mice"]', 'dataset["text"][:] + ["mice"]'),
        (features.replace("List", "Sequence"), features),
        ('dataset.save_to_disk("disk", fs=None)', 'dataset.save_to_disk("disk")'),
    ],
    names,
)
tables

# %% [markdown]
# ## huggingface_hub and the command line
#
# Version 1 of the client replaced the library under it, dropped the git-based `Repository`,
# and renamed the command [@huggingface-hub-1-0-changes]; version 2 replaced that library
# again [@huggingface-hub-2-0-httpx2] and dropped more functions
# [@huggingface-hub-2-0-removed]. Code that catches errors of `requests` now catches nothing:
# import the class through `huggingface_hub` instead [@huggingface-hub-httpx-import].

# %%
from huggingface_hub import HfApi, hf_hub_download

names |= {"api": HfApi(), "hf_hub_download": hf_hub_download}
errors = """from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import httpx
issubclass(HfHubHTTPError, httpx.HTTPError)"""
command = """from importlib.metadata import entry_points
entry_points(group="console_scripts")["hf"].name"""
hub = compare(
    [
        (
            "from huggingface_hub import Repository",
            "from huggingface_hub import snapshot_download, upload_folder",
        ),
        (
            "from huggingface_hub import cached_download",
            "from huggingface_hub import hf_hub_download",
        ),
        (
            "from huggingface_hub import HfFolder",
            "from huggingface_hub import get_token",
        ),
        (
            "from huggingface_hub import InferenceApi",
            "from huggingface_hub import InferenceClient",
        ),
        (
            "from huggingface_hub import ModelFilter",
            'partial(api.list_models, filter="text-classification")',
        ),
        (
            "from huggingface_hub import configure_http_backend",
            "from huggingface_hub import set_client_factory",
        ),
        (
            "from huggingface_hub import upload_large_folder",
            "from huggingface_hub import upload_folder",
        ),
        (
            "from huggingface_hub import duplicate_space",
            "from huggingface_hub import duplicate_repo",
        ),
        (
            "from huggingface_hub import push_to_hub_keras",
            "from huggingface_hub import upload_folder",
        ),
        (
            'api.create_repo(name="mine")',
            'partial(api.create_repo, repo_id="me/mine")',
        ),
        (
            'api.update_repo_visibility("me/mine", private=True)',
            'partial(api.update_repo_settings, "me/mine", private=True)',
        ),
        (
            'hf_hub_download("me/mine", "config.json", use_auth_token=True)',
            'partial(hf_hub_download, "me/mine", "config.json", token=True)',
        ),
        (
            errors.replace(
                "huggingface_hub.utils import httpx", "requests import HTTPError"
            ).replace("httpx.HTTPError", "HTTPError"),
            errors,
        ),
        (command.replace('"hf"', '"huggingface-cli"'), command),
        (
            command.replace('"hf"', '"transformers-cli"'),
            command.replace('"hf"', '"transformers"'),
        ),
    ],
    names,
)
hub

# %% [markdown]
# ## The sum
#
# Of {{ rows }} old lines, {{ fails }} fail, {{ differs }} run with another result,
# {{ warns }} warn and {{ same }} work as before.

# %%
#| record:
#|   rows: int(summary.loc["all", "all"])
#|   fails: int(summary.loc["all", "fails"])
#|   differs: int(summary.loc["all", "differs"])
#|   warns: int(summary.loc["all", "warns"])
#|   same: int(summary.loc["all", "same"])
import pandas as pd

groups = {
    "Pipelines": pipelines,
    "Classes and imports": imports,
    "Loading and saving": loading,
    "Tokenizers": tokenizers,
    "Images": images,
    "Trainer": training,
    "Generating text": generating,
    "datasets": tables,
    "huggingface_hub and commands": hub,
}
rows = [(group, change.outcome) for group in groups for change in groups[group]]
topic, outcome = pd.DataFrame(rows, columns=["topic", "outcome"]).T.values
summary = pd.crosstab(topic, outcome, margins=True, margins_name="all")
summary = summary.reindex(
    index=[*groups, "all"],
    columns=["fails", "differs", "warns", "same", "all"],
    fill_value=0,
)
summary.rename_axis(index=None, columns=None)

# %% [markdown]
# The ones that run with another result raise no error, so no test that only looks for
# errors finds them:

# %%
from snippets.report.changes import ChangeTable

ChangeTable(c for changes in groups.values() for c in changes if c.outcome == "differs")

# %%
os.chdir(home)
folder.cleanup()

# %% [markdown]
# ## How to move a project
#
# 1. Pin what you have, `transformers<5` say, so that it runs today.
# 2. Turn warnings into errors in your tests: `python -W error::FutureWarning -m pytest`.
#    The libraries *log* most of what they deprecate, which that switch does not see, so
#    read the log as well.
# 3. Search the code for the lines of the last table.
# 4. Raise one pin at a time, `transformers` first: it asks for Python
#    3.11 [@transformers-python] and for a `huggingface_hub` from 1.31 on, and takes 2.x
#    [@transformers-package].
# 5. Write the precision down wherever a model is loaded: `dtype=torch.float32`.
#
# ## Where to go next
#
# - [The migration guide of version 5](https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md),
#   which has the reasons and the pull requests.
# - [Migrating to huggingface_hub 1.0](https://huggingface.co/docs/huggingface_hub/concepts/migration).
# - [History](history.md) tells how the packages came about.
