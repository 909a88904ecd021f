"""The C library for ARM, called through an emulator.

PyTorch stays on this CPU: each call's arguments and what they point to go into
a file, the emulator runs ``emulated.c`` on it, and the tensors are read back.
With ``-p tests.ops.emulated`` all tests of a run take this library.
"""
import ctypes
import os
import shutil
import struct
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import pytest
import torch

from mmacda.ops import prebuilt
from mmacda.ops.backends.native import plan as plan_module
from mmacda.ops.backends.native import shared_library

COMPILER, EMULATOR = 'aarch64-linux-gnu-gcc', 'qemu-aarch64-static'
PLATFORM, SYSTEM = 'linux-aarch64', '/usr/aarch64-linux-gnu'
# Their first argument is no problem.
OTHERS = ('mmacda_fold_norm', 'mmacda_has_dots', 'mmacda_use_dots',
          'mmacda_storages')
HEAD = '<24q2d2q'


@pytest.fixture(scope='session')
def arm_command(tmp_path_factory):
    """Of the emulator with a wheel's library; the call follows."""
    for program in (COMPILER, EMULATOR):
        if shutil.which(program) is None:
            pytest.skip(f'needs {program}')
    folder = tmp_path_factory.mktemp('arm')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('_PYTHON_HOST_PLATFORM', PLATFORM)
        library, = prebuilt.compile_prebuilt([COMPILER], folder)
    runner = folder / 'emulated'
    subprocess.run([COMPILER, '-o', runner,
                    Path(__file__).with_suffix('.c')], check=True)
    return [EMULATOR, '-L', SYSTEM, str(runner), str(library)]


@pytest.fixture(autouse=True)
def arm_library(arm_command, monkeypatch):
    """What the native backend calls instead of its own."""
    functions = Emulated(arm_command, record_storages(monkeypatch))
    library = shared_library._Library(functions, None, os.getpid(),
                                      functions.mmacda_storages())
    monkeypatch.setattr(shared_library, '_load', lambda: (library, None))
    return functions


def record_storages(monkeypatch):
    """Storages by the addresses that tensors were asked for."""
    storages, data_ptr = {}, torch.Tensor.data_ptr

    def recording(tensor):
        pointer = data_ptr(tensor)
        if pointer:
            storages[pointer] = tensor.untyped_storage()
        return pointer

    monkeypatch.setattr(torch.Tensor, 'data_ptr', recording)
    return storages


class Image:
    """Memory of one call, every pointer a position in it."""

    def __init__(self, storages):
        self.storages, self.places = storages, {}
        self.content, self.pointers = bytearray(), []

    def add(self, content):
        self.content += bytes(-len(self.content) % 64)
        place = len(self.content)
        self.content += content
        return place

    def add_words(self, words):
        """An array whose pointers are moved too."""
        moved = [self.find(word) for word in words]
        place = self.add(struct.pack(f'<{len(words)}q', *moved))
        self.pointers += [place + 8 * i for i, word in enumerate(words)
                          if word in self.storages]
        return place

    def find(self, word):
        """Where a tensor's address points to, or the number itself."""
        if word not in self.storages:
            return word or 0
        storage = self.storages[word]
        base = storage.data_ptr()
        if base not in self.places:
            self.places[base] = storage, self.add(
                ctypes.string_at(base, storage.nbytes()))
        return self.places[base][1] + word - base

    def add_problem(self, address):
        problem = plan_module._Problem.from_buffer_copy(
            plan_module._Problem.from_address(address))
        count = {
            'phase_rows': problem.phases,
            'phase_columns': problem.phases,
            'tap_offsets': problem.taps,
            'pair_first': problem.tap_pairs,
            'pair_second': problem.tap_pairs
        }
        for side, rows in (('by_tap', problem.taps),
                           ('by_coefficient', problem.coefficients)):
            start = (ctypes.c_int32 * (rows + 1)).from_address(
                getattr(problem, f'{side}_start'))
            count[f'{side}_start'] = rows + 1
            count[f'{side}_index'] = count[f'{side}_value'] = start[rows]
        for name, length in count.items():
            setattr(problem, name, self.add(
                ctypes.string_at(getattr(problem, name), 4 * length)))
        place = self.add(bytes(problem))
        self.pointers += [
            place + getattr(plan_module._Problem, name).offset
            for name in count
        ]
        return place


class Emulated:
    """Its functions, as ctypes gives those of a library."""

    def __init__(self, command, storages):
        self.command, self.storages, self.calls = command, storages, []

    def __getattr__(self, name):
        if not name.startswith('mmacda_'):
            raise AttributeError(name)
        call = partial(self._call, name)
        call.__name__ = name
        return call

    def _call(self, name, *arguments):
        self.calls.append(name)
        image = Image(self.storages)
        head = image.add(bytes(2048))
        floats = [a for a in arguments if isinstance(a, float)]
        words = []
        for i, value in enumerate(
                a for a in arguments if not isinstance(a, float)):
            if isinstance(value, ctypes.Array):
                place = image.add_words(list(value))
            elif i == 0 and name not in OTHERS:
                place = image.add_problem(value)
            else:
                words.append(image.find(value))
                if value in self.storages:
                    image.pointers.append(8 * i)
                continue
            words.append(place)
            image.pointers.append(8 * i)
        struct.pack_into(
            f'{HEAD}{len(image.pointers)}q', image.content, head,
            *(words + 24 * [0])[:24], *(floats + 2 * [0.])[:2], 0,
            len(image.pointers), *image.pointers)
        with tempfile.NamedTemporaryFile() as file:
            file.write(image.content)
            file.flush()
            done = subprocess.run([*self.command, name, file.name],
                                  stderr=subprocess.PIPE, text=True)
            assert done.returncode == 0, f'{name}: {done.stderr}'
            file.seek(0)
            content = file.read()
        for storage, place in image.places.values():
            ctypes.memmove(storage.data_ptr(),
                           content[place:place + storage.nbytes()],
                           storage.nbytes())
        return struct.unpack_from(HEAD, content, head)[26]
