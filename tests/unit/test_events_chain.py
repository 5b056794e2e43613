"""Merkle trees, signed notes and checkpoints, against vectors of independent implementations."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camunda_workers.errors import ReadModelError
from camunda_workers.events.chain import offline
from camunda_workers.events.chain.checkpoint import Checkpoint, Head, open_checkpoint
from camunda_workers.events.chain.hashing import EMPTY_ROOT, chained, leaf_hash, node_hash
from camunda_workers.events.chain.merkle import (
    consistency_proof,
    full_root,
    inclusion_proof,
    root_of,
    split,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from camunda_workers.events.chain.note import Signer, Verifier, open_note
from camunda_workers.events.chain.tree import Tree, grow, read_chains

# From the repository transparency-dev/merkle (Go): see the file's first line.
VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "data" / "rfc6962-vectors.json").read_text())
# From the documentation of golang.org/x/mod/sumdb/note.
NEUMANN = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
NEUMANN_PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# The leaves and roots of the Certificate Transparency project's reference tree.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIGNER = Signer("example.org/log", bytes(range(32)))


def decoded(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def proof_of(vector: dict[str, Any]) -> list[bytes]:
    proof: list[str] = vector["proof"] or []
    return [decoded(one) for one in proof]


def test_hashes_are_those_of_the_rfc() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"


def test_roots_are_those_of_the_reference_tree() -> None:
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]
    for size, root in enumerate(ROOTS, 1):
        assert tree_root(size, lambda height, number: full_root(leaves[number << height : (number + 1) << height])).hex() == root
        assert root_of(leaves[:size]).hex() == root
        assert offline.tree_root(leaves[:size]).hex() == root


@pytest.mark.parametrize("vector", VECTORS["inclusion"], ids=lambda vector: vector["name"])
def test_inclusion_vectors(vector: dict[str, Any]) -> None:
    leaf, root, proof = decoded(vector["leafHash"]), decoded(vector["root"]), proof_of(vector)
    assert verify_inclusion(vector["leafIdx"], vector["treeSize"], leaf, proof, root) is not vector["wantErr"]
    if len(leaf) == len(root) == 32:
        assert offline.is_included(vector["leafIdx"], vector["treeSize"], leaf, proof, root) is not vector["wantErr"]


@pytest.mark.parametrize("vector", VECTORS["consistency"], ids=lambda vector: vector["name"])
def test_consistency_vectors(vector: dict[str, Any]) -> None:
    first, second, proof = decoded(vector["root1"]), decoded(vector["root2"]), proof_of(vector)
    assert verify_consistency(vector["size1"], vector["size2"], first, second, proof) is not vector["wantErr"]


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 600), data=st.data())
def test_every_proof_holds_and_no_other(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(number.to_bytes(4, "big")) for number in range(size)]

    def subtree(height: int, number: int) -> bytes:
        return full_root(leaves[number << height : (number + 1) << height])

    root = root_of(leaves)
    number, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    proof = inclusion_proof(number, size, subtree)
    assert verify_inclusion(number, size, leaves[number], proof, root)
    assert offline.is_included(number, size, leaves[number], proof, root)
    assert not verify_inclusion(number, size, leaf_hash(b"another"), proof, root)
    assert not verify_inclusion((number + 1) % size, size, leaves[number], proof, root) or size == 1
    between = consistency_proof(first, size, subtree)
    assert verify_consistency(first, size, root_of(leaves[:first]), root, between)
    assert not verify_consistency(first, size, leaf_hash(b"another"), root, between)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(1, 700), min_size=1, max_size=8))
def test_a_tree_grown_in_batches_is_the_same_tree(cuts: list[int]) -> None:
    leaves = [leaf_hash(number.to_bytes(4, "big")) for number in range(sum(cuts))]
    tree, stored, heads, at = Tree(0), dict[tuple[int, int], bytes](), dict[int, Head](), 0
    for count in cuts:
        some = leaves[at : at + count]
        tree, tiles, heads = grow(tree, some, 1, range(at + 1, at + 1 + count), heads)
        stored.update({(tile.level, tile.number): tile.hashes for tile in tiles})
        for tile in tiles:
            if tile.chains is not None:
                behind = (tile.number + 1) * 256
                assert read_chains(tile.chains) == {1: Head(behind, chained(bytes(32), leaves[:behind]))}
        at += count

    def subtree(height: int, number: int) -> bytes:
        first = number << (height % 8)
        return full_root(split(stored[height // 8, first // 256])[first % 256 : first % 256 + (1 << height % 8)])

    assert tree.size == len(leaves)
    assert tree_root(len(leaves), subtree) == root_of(leaves)
    assert heads == {1: Head(len(leaves), chained(bytes(32), leaves))}


def test_a_note_is_what_go_makes_of_it() -> None:
    signer = Signer.parse(NEUMANN)
    assert str(signer.verifier) == NEUMANN_PUBLIC
    assert signer.to_text() == NEUMANN
    text = open_note(NEUMANN_NOTE, [Verifier.parse(NEUMANN_PUBLIC)])
    assert signer.sign(text) == NEUMANN_NOTE
    assert offline.open_note(NEUMANN_NOTE, NEUMANN_PUBLIC) == text


@pytest.mark.parametrize(
    ("note", "says"),
    [
        (NEUMANN_NOTE.replace("answer", "solution"), "signature of PeterNeumann is wrong"),
        (NEUMANN_NOTE.replace("PeterNeumann x", "EnochRoot x"), "not signed by PeterNeumann"),
        (NEUMANN_NOTE.replace("— ", "- "), "not a signature line"),
        ("no note at all", "not a signed note"),
    ],
)
def test_a_note_that_is_wrong_is_refused(note: str, says: str) -> None:
    with pytest.raises(ReadModelError, match=says):
        open_note(note, [Verifier.parse(NEUMANN_PUBLIC)])
    with pytest.raises(offline.Wrong):
        offline.open_note(note, NEUMANN_PUBLIC)


@pytest.mark.parametrize("text", ["", "a+b", NEUMANN_PUBLIC.replace("c74f", "c74e"), NEUMANN_PUBLIC[:-8]])
def test_a_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ReadModelError, match="not a public key"):
        Verifier.parse(text)


def test_a_private_key_is_never_repeated() -> None:
    with pytest.raises(ReadModelError) as error:
        Signer.parse(NEUMANN.replace("c74f", "c74e"))
    assert "AYEKFA" not in str(error.value)


@settings(max_examples=20, deadline=None)
@given(secret=st.binary(min_size=32, max_size=32), text=st.binary(max_size=80), bit=st.integers(0, 511))
def test_the_two_implementations_of_ed25519_agree(secret: bytes, text: bytes, bit: int) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(secret)
    public, signature = key.public_key().public_bytes_raw(), bytearray(key.sign(text))
    assert offline.signature_holds(public, text, bytes(signature))
    assert not offline.signature_holds(public, text + b".", bytes(signature))
    signature[bit // 8] ^= 1 << bit % 8
    assert not offline.signature_holds(public, text, bytes(signature))


def test_a_checkpoint_comes_back_as_it_went() -> None:
    checkpoint = Checkpoint("example.org/log", 7, bytes(range(32)), {0: Head(3, bytes(32)), 2: Head(9, bytes(range(32)))})
    note = checkpoint.sign(SIGNER)
    assert note.startswith("example.org/log\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\npartition 0 3 AAAA")
    assert open_checkpoint(note, [SIGNER.verifier]) == checkpoint
    with pytest.raises(ReadModelError, match=r"is of the log 'another', the key of 'example\.org/log'"):
        open_checkpoint(Checkpoint("another", 7, bytes(32)).sign(SIGNER), [SIGNER.verifier])


@pytest.mark.parametrize("text", ["", "a\n1\n", "a\n01\nAAAA\n", "a\n1\nAAAA\n", "a\nmany\n" + base64.b64encode(bytes(32)).decode() + "\n"])
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(ReadModelError, match="not a checkpoint"):
        Checkpoint.parse(text)
