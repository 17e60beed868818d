from pathlib import Path

import pytest
from huggingface_hub import (
    HfApi,
    constants,
    hf_hub_download,
    scan_cache_dir,
    snapshot_download,
)
from huggingface_hub.errors import (
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from snippets.use.hub import LocalHub, blob_id, cache_tree, commit_id

OLD = {"README.md": b"# Old\n", "config.json": b"{}\n", "model.safetensors": bytes(500)}
NEW = OLD | {"README.md": b"# New\n"}
ID = "you/tiny-bert"


@pytest.fixture(autouse=True)
def online(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)


@pytest.fixture
def hub():
    with LocalHub(ID, {"main": NEW, "v1": OLD}) as served:
        yield served


def test_ids_are_those_of_git():
    # printf 'hello\n' | git hash-object --stdin
    assert blob_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert len(commit_id(OLD)) == 40
    assert commit_id(OLD) != commit_id(NEW)
    assert commit_id(dict(reversed(OLD.items()))) == commit_id(OLD)


def test_the_client_downloads_once_and_then_only_asks(hub, tmp_path):
    options = {"endpoint": hub.url, "cache_dir": tmp_path}
    path = hf_hub_download(ID, "config.json", **options)
    assert Path(path).read_bytes() == OLD["config.json"]
    assert sum(line.startswith("GET  /you") for line in hub.requests) == 1
    hub.requests.clear()
    assert hf_hub_download(ID, "config.json", **options) == path
    assert [line.split()[0] for line in hub.requests] == ["HEAD"]


def test_a_pinned_commit_needs_no_request(hub, tmp_path):
    options = {"revision": hub.commits["v1"], "endpoint": hub.url, "cache_dir": tmp_path}
    path = hf_hub_download(ID, "README.md", **options)
    assert Path(path).read_bytes() == OLD["README.md"]
    hub.requests.clear()
    assert hf_hub_download(ID, "README.md", **options) == path
    assert hub.requests == []


def test_a_branch_that_moves_brings_the_new_file(hub, tmp_path):
    options = {"endpoint": hub.url, "cache_dir": tmp_path}
    old = snapshot_download(ID, revision="v1", **options)
    new = snapshot_download(ID, **options)
    assert Path(old, "README.md").read_bytes() == b"# Old\n"
    assert Path(new, "README.md").read_bytes() == b"# New\n"
    blobs = [
        line for line in cache_tree(tmp_path) if "/blobs/" in line and "->" not in line
    ]
    assert len(blobs) == 4  # what both revisions share is there once


def test_the_api_lists_files_and_the_dry_run_sizes(hub, tmp_path):
    api = HfApi(endpoint=hub.url)
    info = api.model_info(ID)
    assert info.sha == hub.commits["main"]
    assert sorted(file.rfilename for file in info.siblings) == sorted(NEW)
    plan = snapshot_download(ID, endpoint=hub.url, cache_dir=tmp_path, dry_run=True)
    assert {file.filename: file.file_size for file in plan} == {
        name: len(content) for name, content in NEW.items()
    }
    assert not list(tmp_path.rglob("*.json"))


def test_deleting_a_revision_keeps_what_another_needs(hub, tmp_path):
    options = {"endpoint": hub.url, "cache_dir": tmp_path}
    for revision in ("v1", "main"):
        snapshot_download(ID, revision=revision, **options)
    plan = scan_cache_dir(tmp_path).delete_revisions(hub.commits["v1"])
    assert plan.expected_freed_size == len(OLD["README.md"])
    plan.execute()
    left = snapshot_download(ID, cache_dir=tmp_path, local_files_only=True)
    assert {path.name: path.read_bytes() for path in Path(left).iterdir()} == NEW


def test_each_mistake_has_its_error(hub, tmp_path):
    options = {"endpoint": hub.url, "cache_dir": tmp_path, "token": False}
    with pytest.raises(RemoteEntryNotFoundError):
        hf_hub_download(ID, "config.jsn", **options)
    with pytest.raises(RevisionNotFoundError):
        hf_hub_download(ID, "config.json", revision="v9", **options)
    with pytest.raises(RepositoryNotFoundError):
        hf_hub_download("you/tiny-bret", "config.json", **options)
    with pytest.raises(LocalEntryNotFoundError):
        hf_hub_download(ID, "vocab.txt", local_files_only=True, cache_dir=tmp_path)


def test_a_private_repository_opens_with_its_token_only(tmp_path):
    with LocalHub(ID, {"main": OLD}, token="hf_example") as hub:
        options = {"endpoint": hub.url, "cache_dir": tmp_path}
        for token in (False, "hf_wrong"):
            with pytest.raises(RepositoryNotFoundError):
                hf_hub_download(ID, "config.json", token=token, **options)
        path = hf_hub_download(ID, "config.json", token="hf_example", **options)
    assert Path(path).read_bytes() == OLD["config.json"]
