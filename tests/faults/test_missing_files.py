"""The database knows an object whose cache file is gone: the client notices nothing, and the file is rebuilt."""

import shutil
from collections.abc import Callable

import pytest

from tests.faults.damage import replace_by_directory
from tests.faults.rig import Rig, Subject

Removal = Callable[[Subject], None]


def file(subject: Subject) -> None:
    subject.file.unlink()


def folder(subject: Subject) -> None:
    shutil.rmtree(subject.file.parent)


def all_files(subject: Subject) -> None:
    for each in subject.rig.proxy.cache_dir.glob("??"):
        if each.is_dir():
            shutil.rmtree(each)


def directory_for_file(subject: Subject) -> None:
    replace_by_directory(subject.file)


def file_for_folder(subject: Subject) -> None:
    folder = subject.file.parent
    shutil.rmtree(folder)
    folder.write_bytes(b"")


def link_for_file(subject: Subject) -> None:
    """The link leads to the very bytes."""
    elsewhere = subject.rig.proxy.directory / f"{subject.name}.elsewhere"
    subject.file.rename(elsewhere)
    subject.file.symlink_to(elsewhere)


def link_for_folder(subject: Subject) -> None:
    folder = subject.file.parent
    elsewhere = subject.rig.proxy.directory / f"{subject.name}.folder"
    shutil.copytree(folder, elsewhere)
    shutil.rmtree(folder)
    folder.symlink_to(elsewhere)


REMOVALS: list[Removal] = [
    file,
    folder,
    all_files,
    directory_for_file,
    file_for_folder,
    link_for_file,
    link_for_folder,
]


def rebuilt(subject: Subject) -> None:
    subject.read()
    assert subject.bytes_sent() == subject.length
    subject.until_hit()
    assert subject.file.is_file()
    assert not subject.file.is_symlink()
    assert not subject.file.parent.is_symlink()


@pytest.mark.parametrize("remove", REMOVALS)
def test_gone_while_running(rig: Rig, remove: Removal) -> None:
    subject = rig.put_cached(3)
    subject.read_as_hit()
    remove(subject)
    rebuilt(subject)


def test_gone_while_down(rig: Rig) -> None:
    subjects = [rig.put_cached(3) for _ in REMOVALS]
    rig.proxy.stop()
    for remove, subject in zip(REMOVALS, subjects, strict=True):
        if remove is not all_files:
            remove(subject)
    rig.proxy.start()
    for remove, subject in zip(REMOVALS, subjects, strict=True):
        if remove is not all_files:
            rebuilt(subject)


def test_all_gone_with_the_database(rig: Rig) -> None:
    subjects = [rig.put_cached(3) for _ in range(2)]
    shutil.rmtree(rig.proxy.cache_dir)
    for subject in subjects:
        subject.read()
        subject.until_hit()
        subject.wait_recorded()
        assert subject.file.is_file()
    rig.proxy.stop()
    shutil.rmtree(rig.proxy.cache_dir)
    rig.proxy.start()
    for subject in subjects:
        subject.read()
        subject.read_as_hit()


def test_all_gone_and_asked_at_odd_places(rig: Rig) -> None:
    subjects = [rig.put_cached(4) for _ in range(4)]
    all_files(subjects[0])
    for number, subject in enumerate(subjects):
        start = 1_234_567 + 100_000 * number
        subject.read(start, start + 1_500_000)
    for subject in subjects:
        subject.until_hit()
