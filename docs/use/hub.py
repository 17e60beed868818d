# %% [markdown]
# ---
# description: >-
#   The Hub from code: ask, download, pin a revision, read the cache, clean it, work
#   offline, use a token, and the hf command, run against a stand-in on this machine.
# executor:
#   timeout: 120
#   weights: [sentence-transformers/all-MiniLM-L6-v2]
# ---
# # Use the Hub from code
#
# On this page you download from the Hub in a way that gives the same files next year, read
# and clean the cache on your disk, and work without a network.
#
# ## The shortest thing that works

# %%
import json
from pathlib import Path

from huggingface_hub import hf_hub_download

checkpoint = "sentence-transformers/all-MiniLM-L6-v2"
path = hf_hub_download(checkpoint, "config.json")
config = json.loads(Path(path).read_text())
print(checkpoint, config["model_type"], config["hidden_size"])

# %% [markdown]
# You get the path of a file in the cache. Open it, do not change it: other programs use
# the same file.
#
# ## How it works
#
# To see what the client asks for, we need a Hub that we may watch, and the build of this site
# has no network. So a small server on the same machine plays the Hub, with one repository,
# `you/tiny-bert`, of three tiny files in two versions. The client is the real
# [`huggingface_hub`](https://huggingface.co/docs/huggingface_hub); only `endpoint=hub.url` and
# `cache_dir` would not be in your code.
#
# !!! tip "You may skip the next block"
#     It is the stand-in, and shows how little a Hub has to answer: a list of files, and each
#     file with its id. Read on below it.

# %%
from snippets.use.hub import LocalHub

old = {
    "README.md": b"# Tiny BERT\n",
    "config.json": b'{"model_type": "bert", "hidden_size": 128}\n',
    "model.safetensors": bytes(2000),
}
new = old | {"README.md": b"# Tiny BERT, better told\n"}
hub = LocalHub("you/tiny-bert", {"main": new, "v1": old})

# %% [markdown]
# These are the requests of one download into an empty cache, and those of the same line again:

# %%
#| record:
#|   requests_first: len(first)
#|   requests_second: len(hub.requests)
from tempfile import TemporaryDirectory

from huggingface_hub import constants

constants.HF_HUB_OFFLINE = False  # this site is built offline; you need no such line
temporary = TemporaryDirectory()
cache = Path(temporary.name) / "hub"
hf_hub_download("you/tiny-bert", "config.json", endpoint=hub.url, cache_dir=cache)
first = list(hub.requests)
hub.requests.clear()
hf_hub_download("you/tiny-bert", "config.json", endpoint=hub.url, cache_dir=cache)
print(*first, "again:", *hub.requests, sep="\n")

# %% [markdown]
# ```mermaid
# sequenceDiagram
#   participant P as Your program
#   participant C as Cache
#   participant H as Hub
#   P->>H: HEAD file at main
#   H-->>P: commit and ETag
#   P->>C: is a blob of that name there?
#   P->>H: GET file, if not
#   C-->>P: path in the snapshot
# ```
#
# As in the diagram, the second call only asks for the head. The answer names the
# **commit**, an id of the state of the whole repository, and the **ETag**, an id of the
# content of this file. What the cache has, it does not fetch again.
#
# ### Ask before you download

# %%
from huggingface_hub import HfApi

api = HfApi(endpoint=hub.url)
info = api.model_info("you/tiny-bert", files_metadata=True)
print(info.id, info.sha[:7], info.tags)
print([file.rfilename for file in info.siblings])

# %% [markdown]
# A **dry run** tells what a download would cost:

# %%
from huggingface_hub import snapshot_download

plan = snapshot_download("you/tiny-bert", endpoint=hub.url, cache_dir=cache, dry_run=True)
for file in sorted(plan, key=lambda file: file.filename):
    print(f"{file.filename:18} {file.file_size:5} bytes  download: {file.will_download}")

# %% [markdown]
# `snapshot_download` takes a whole repository. `allow_patterns` keeps it small: many
# repositories carry the same weights in several formats.
#
# ### Pin a revision
#
# `main` moves. A tag may move. A commit never does, so name one in everything that has to
# work next year:

# %%
#| record:
#|   pinned_requests: len(hub.requests)
commit = hub.commits["v1"]
options = {"revision": commit, "endpoint": hub.url, "cache_dir": cache}
for name in old:
    hf_hub_download("you/tiny-bert", name, **options)
hub.requests.clear()
path = hf_hub_download("you/tiny-bert", "README.md", **options)
print(commit)
print(Path(path).read_text(), end="")
print("requests:", hub.requests)

# %% [markdown]
# With a full commit and a filled cache the client made {{ pinned_requests }} requests: there
# is nothing to ask. `from_pretrained(..., revision=...)` takes the same values.
#
# ## Details that matter
#
# ### The cache

# %%
from snippets.use.hub import cache_tree

for line in cache_tree(cache / "models--you--tiny-bert"):
    print(line.replace(hub.commits["main"], "MAIN").replace(commit, "V1"))

# %% [markdown]
# | Folder | Holds |
# | --- | --- |
# | `blobs` | Each content once, named by its ETag |
# | `snapshots` | A folder for each commit: links to blobs under their real names |
# | `refs` | The commit that a branch or tag had when it was last asked |
# | `trees` | The list of files of a commit |
#
# `config.json` is in both snapshots and on the disk once. The cache is below
# `~/.cache/huggingface/hub`; set `HF_HOME` to move everything, or `HF_HUB_CACHE` for this
# part. On Windows without the right to make links, snapshots hold copies.
#
# ### Clean it
#
# Look, plan, then delete. The plan says what it frees before anything is gone:

# %%
#| record:
#|   freed: plan.expected_freed_size
from huggingface_hub import scan_cache_dir

seen = scan_cache_dir(cache)
for repository in seen.repos:
    print(
        repository.repo_id, repository.nb_files, "files", repository.size_on_disk, "bytes"
    )
plan = seen.delete_revisions(commit)
print("deleting v1 frees", plan.expected_freed_size, "bytes")
plan.execute()
print(*cache_tree(cache / "models--you--tiny-bert" / "snapshots"), sep="\n")

# %% [markdown]
# Deleting `v1` keeps the blob that `main` needs. Never delete blobs by hand: snapshots
# would hold links to nothing.
#
# ### Work offline
#
# `HF_HUB_OFFLINE=1` in the environment, before Python starts, forbids all requests; whatever
# is in the cache still loads. For one call there is `local_files_only=True`:

# %%
import sys

hub.requests.clear()
snapshot = snapshot_download("you/tiny-bert", cache_dir=cache, local_files_only=True)
print([path.name for path in Path(snapshot).iterdir()], "requests:", hub.requests)

# %% [markdown]
# Look at that list: one file, no error. We had downloaded one file of `main` only, and the
# client knows no list of files to compare with. Fill the cache with `snapshot_download`
# before you go offline.
#
# ### Tokens
#
# Private and gated repositories need a token. Log in once with `hf auth login`, or set
# `HF_TOKEN` on a server. Give programs a fine-grained token that may read one repository,
# and keep tokens out of code and notebooks.

# %%
from huggingface_hub.errors import RepositoryNotFoundError

with LocalHub("you/secret", {"main": old}, token="hf_example") as private:
    options = {"endpoint": private.url, "cache_dir": cache}
    try:
        hf_hub_download("you/secret", "config.json", token=False, **options)
    except RepositoryNotFoundError as error:
        print("RepositoryNotFoundError:", str(error).split(".")[0], file=sys.stderr)
    path = hf_hub_download("you/secret", "config.json", token="hf_example", **options)
print("with the token:", Path(path).name)

# %% [markdown]
# "Not found" is on purpose. To a stranger the Hub does not say whether a private
# repository exists, so check the token before you check the spelling.
#
# ### The same from a terminal
#
# The `hf` command comes with the package. Here it speaks to the stand-in, which two
# environment variables tell it:

# %%
import os
import subprocess

settings = {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "0"}
settings |= {"HF_HOME": temporary.name, "HF_HUB_DISABLE_UPDATE_CHECK": "1"}


def hf(command):
    print("$ hf", command)
    words = f"{command} --format human".split()
    program = [sys.executable, "-m", "huggingface_hub.cli.hf", *words]
    done = subprocess.run(
        program, env=os.environ | settings, capture_output=True, text=True, check=True
    )
    print(done.stdout.replace(temporary.name, "~").strip())


hf("download you/tiny-bert")
hf("cache verify you/tiny-bert")
hf("cache rm model/you/tiny-bert --dry-run")

# %% [markdown]
# `verify` compares your files with the digests of the Hub, which finds the one wrong bit
# that [loading does not notice](save-and-load.py).
#
# | Command | Does |
# | --- | --- |
# | `hf auth login`, `hf auth whoami` | Store a token; tell whose it is |
# | `hf download ID [FILE]` | As above; `--revision`, `--include`, `--local-dir`, `--dry-run` |
# | `hf upload ID FOLDER` | Publish a folder |
# | `hf models info ID` | The card's data |
# | `hf cache ls`, `hf cache rm`, `hf cache prune` | List; delete; delete what no branch uses |
# | `hf env` | What to paste into a bug report |
#
# ## The same with the real Hub
#
# Leave out `endpoint` and `cache_dir`, and use a real id, as at the top of this page. Nothing
# else changes. Publishing is not shown:
# it needs an account, and a push cannot be taken back by a build.
#
# ## What goes wrong
#
# Each mistake has its own error:

# %%
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError


def attempt(name, filename, **options):
    try:
        hf_hub_download(name, filename, cache_dir=cache, token=False, **options)
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        place = str(error).replace(hub.url, "HUB")
        lines = [line for line in place.splitlines() if line and "Client" not in line]
        print(f"{type(error).__name__}\n   {lines[0]}", file=sys.stderr)


attempt("you/tiny-bert", "config.jsn", endpoint=hub.url)
attempt("you/tiny-bert", "config.json", endpoint=hub.url, revision="v9")
attempt("you/tiny-bret", "config.json", endpoint=hub.url)
attempt("you/tiny-bert", "vocab.txt", local_files_only=True)

# %% [markdown]
# The last one is what you see offline when a file was never downloaded. A program that
# must not depend on the network should meet it in a test, not on a train.

# %%
hub.server_close()
temporary.cleanup()

# %% [markdown]
# ## Where to go next
#
# - [Save and load](save-and-load.py): what is in the files.
# - [The GitHub of machine learning](../report/hub.md): what else the Hub is.
# - [Trust and security](../report/trust.md): whose files you run.
# - [Guides of huggingface_hub](https://huggingface.co/docs/huggingface_hub/guides/overview).
