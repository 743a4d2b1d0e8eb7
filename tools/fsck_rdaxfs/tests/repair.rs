// SPDX-License-Identifier: GPL-2.0

//! The program as it is called, on files.

use std::fs::{self, File};
use std::mem::offset_of;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rdaxfs_core::format::{
    block_offset, group_bitmap, group_header, group_metadata, inode_offset, GroupHeader, Inode,
    Time, STATE_CLEAN, S_IFDIR, S_IFREG,
};
use rdaxfs_core::make::{make, Options};
use rdaxfs_core::mount::Access;
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::superblock::probe;
use rdaxfs_core::volume::Volume;
use rdaxfs_core::workspace::Workspace;
use rdaxfs_host::{DeviceLock, FileMedium, Host, Mounted, Scope};

const NOW: Time = Time::new(1000, 0);

type FileVolume = Volume<Host<FileMedium>>;

struct Image {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Image {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("volume");
        let medium = FileMedium::create(&path, 8 << 20).expect("a file can be made");
        let made = Mounted::make(medium, NOW).expect("a volume can be made");
        made.unmount().expect("a new volume can be unmounted");
        Self {
            path,
            _folder: folder,
        }
    }

    fn with<R>(&self, use_it: impl FnOnce(&FileVolume, &mut Workspace) -> R) -> R {
        let medium = FileMedium::open(&self.path, true).unwrap();
        let mut mounted = Mounted::mount(medium, Access::ReadWrite, NOW).unwrap();
        let result = use_it(&mounted.volume, &mut mounted.workspace);
        mounted.unmount().unwrap();
        result
    }

    fn fsck(&self, arguments: &[&str]) -> Output {
        fsck(arguments, &self.path)
    }

    fn store(&self, offset: u64, bytes: &[u8]) {
        let file = File::options().write(true).open(&self.path).unwrap();
        file.write_all_at(bytes, offset).unwrap();
    }
}

fn fsck(arguments: &[&str], path: &Path) -> Output {
    let program = env!("CARGO_BIN_EXE_fsck_rdaxfs");
    Command::new(program)
        .args(arguments)
        .arg(path)
        .output()
        .expect("the program can be run")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// A file and a folder with a file; returns the folder's number.
fn fill(image: &Image) -> u64 {
    image.with(|volume, workspace| {
        let (mut root, _) = volume.inodes().open(volume.root(), None).unwrap();
        let file = NewInode {
            mode: S_IFREG | 0o644,
            ..NewInode::default()
        };
        let folder = NewInode {
            mode: S_IFDIR | 0o755,
            ..NewInode::default()
        };
        let mut map = volume
            .names()
            .create(workspace, &mut root, b"file", &file, NOW, &mut unannounced)
            .unwrap()
            .map;
        volume
            .files()
            .write(workspace, &mut map, 0, b"contents", NOW)
            .unwrap();
        volume.files().close(&mut map);
        let mut below = volume
            .names()
            .mkdir(
                workspace,
                &mut root,
                b"folder",
                &folder,
                NOW,
                &mut unannounced,
            )
            .unwrap()
            .map;
        volume
            .names()
            .create(
                workspace,
                &mut below,
                b"inner",
                &file,
                NOW,
                &mut unannounced,
            )
            .unwrap();
        below.ino()
    })
}

#[test]
fn a_good_volume_is_clean() {
    let image = Image::new();
    fill(&image);
    let output = image.fsck(&["-p"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(
        said(&output).contains("clean, 4 inodes"),
        "{}",
        said(&output)
    );
    for arguments in [["-f", "-n"], ["-f", "-y"]] {
        let output = image.fsck(&arguments);
        assert_eq!(code(&output), 0, "{}", said(&output));
        assert!(!said(&output).contains("wrong"), "{}", said(&output));
    }
}

#[test]
fn a_wrong_bitmap_is_repaired_by_preening() {
    let image = Image::new();
    fill(&image);
    image.store(block_offset(group_bitmap(0)) + 100, &[0xff]);
    let before = fs::read(&image.path).unwrap();
    let output = image.fsck(&["-f", "-n"]);
    assert_eq!(code(&output), 4, "{}", said(&output));
    assert!(
        fs::read(&image.path).unwrap() == before,
        "-n changes nothing"
    );
    assert_eq!(code(&image.fsck(&["-f", "-p"])), 1);
    assert_eq!(code(&image.fsck(&["-f", "-n"])), 0);
}

#[test]
fn the_copy_of_the_superblock_repairs_the_first_one() {
    let image = Image::new();
    fill(&image);
    // Damaged behind its magic number, which says whose it is.
    image.store(8, &[0x55; 200]);
    let output = image.fsck(&["-p"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert_eq!(code(&image.fsck(&["-f", "-n"])), 0);
    assert_eq!(image.with(|volume, _| volume.blocks()), 2048);
}

/// Without the magic number the copy is only taken when it is asked for.
#[test]
fn a_copy_in_the_last_block_is_not_a_volume() {
    let image = Image::new();
    fill(&image);
    image.store(0, &[0; 4096]);
    let before = fs::read(&image.path).unwrap();
    for how in ["-p", "-y", "-n"] {
        let output = image.fsck(&["-f", how]);
        assert_eq!(code(&output), 8, "{}", said(&output));
        assert!(said(&output).contains("-b 2047"), "{}", said(&output));
    }
    for (arguments, status) in [
        (["-b", "2047", "-p"], 16),
        (["-b", "2046", "-y"], 8),
        (["-b", "99999999999", "-y"], 8),
    ] {
        assert_eq!(code(&image.fsck(&arguments)), status, "{arguments:?}");
    }
    let output = image.fsck(&["-b", "2047", "-n"]);
    assert_eq!(code(&output), 4, "{}", said(&output));
    assert!(fs::read(&image.path).unwrap() == before);
    let output = image.fsck(&["-b", "2047", "-y"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert_eq!(code(&image.fsck(&["-f", "-n"])), 0);
    assert_eq!(image.with(|volume, _| volume.blocks()), 2048);
}

/// What has taken an rdaxfs volume's place, where each leaves the copy in the last block: nothing of it is changed,
/// whatever is asked for.
#[test]
fn what_replaced_a_volume_is_left_alone() {
    let luks: &[(u64, &[u8])] = &[(0, b"LUKS\xba\xbe\0\x02")];
    let lvm: &[(u64, &[u8])] = &[(0, &[0; 512]), (512, b"LABELONE")];
    let swap: &[(u64, &[u8])] = &[(0, &[0; 4086]), (4086, b"SWAPSPACE2")];
    let md: &[(u64, &[u8])] = &[(4096, b"\xfc\x4e\x2b\xa9\x01\0\0\0")];
    let bcache: &[(u64, &[u8])] = &[(
        4096 + 24,
        b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
    )];
    // Its first 1024 bytes are as they were, so that the rdaxfs superblock is whole.
    let minix: &[(u64, &[u8])] = &[(0x410, b"\x8f\x13")];
    let gpt: &[(u64, &[u8])] = &[(0, &[0; 510]), (510, b"\x55\xaa"), (512, b"EFI PART")];
    for what in [luks, lvm, swap, md, bcache, minix, gpt] {
        let image = Image::new();
        fill(&image);
        for &(offset, bytes) in what {
            image.store(offset, bytes);
        }
        let before = fs::read(&image.path).unwrap();
        for arguments in [
            &["-p"][..],
            &["-f", "-p"],
            &["-y"],
            &["-f", "-y"],
            &["-b", "2047", "-y"],
        ] {
            let output = image.fsck(arguments);
            assert_eq!(code(&output), 8, "{what:?}: {}", said(&output));
            assert!(said(&output).contains("a signature of"), "{what:?}");
            assert!(fs::read(&image.path).unwrap() == before, "{what:?}");
        }
    }
}

/// The same with what the formats' own programs write, as far as they are there.
#[test]
fn what_other_programs_made_is_left_alone() {
    let programs: &[&[&str]] = &[
        &["mke2fs", "-q", "-F"],
        &["mkswap", "-q"],
        &["mkfs.minix"],
        &["mkfs.vfat"],
        &["mkfs.exfat", "-q"],
        &[
            "cryptsetup",
            "luksFormat",
            "-q",
            "--type",
            "luks1",
            "--iter-time",
            "1",
            "--key-file",
            "/proc/self/exe",
            "--keyfile-size",
            "32",
        ],
        &[
            "cryptsetup",
            "luksFormat",
            "-q",
            "--type",
            "luks2",
            "--pbkdf",
            "pbkdf2",
            "--iter-time",
            "1",
            "--key-file",
            "/proc/self/exe",
            "--keyfile-size",
            "32",
        ],
        &["sgdisk", "--new=1:0:0"],
        &["mkfs.btrfs", "-q", "-f"],
        &["mkfs.f2fs", "-q", "-f"],
        &["mkfs.xfs", "-q", "-f"],
        &["mkfs.erofs"],
    ];
    let mut tried = 0;
    for command in programs {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("volume");
        let medium = FileMedium::create(&path, 512 << 20).unwrap();
        Mounted::make(medium, NOW).unwrap().unmount().unwrap();
        let done = Command::new(command[0])
            .args(&command[1..])
            .arg(&path)
            .output();
        if !done.is_ok_and(|output| output.status.success()) {
            println!("{command:?} cannot be run");
            continue;
        }
        tried += 1;
        // blkid has to find it afterwards as it does now.
        let look = || Command::new("blkid").arg("-p").arg(&path).output().unwrap();
        let before = look();
        for how in ["-p", "-y"] {
            let output = fsck(&["-f", how], &path);
            assert_eq!(code(&output), 8, "{command:?}: {}", said(&output));
        }
        assert_eq!(look(), before, "{command:?}");
    }
    println!("{tried} programs");
}

/// A write that fails ends all writing: what says that the volume is clean comes after the rest.
#[test]
fn a_repair_that_cannot_be_written_does_not_say_clean() {
    let image = Image::new();
    fill(&image);
    // What is repaired is behind the limit, and what says so is before it.
    let copy = block_offset(2047) + 100;
    image.store(copy, &[0x55; 4]);
    let output = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$0\" -y \"$1\""])
        .arg(env!("CARGO_BIN_EXE_fsck_rdaxfs"))
        .arg(&image.path)
        .output()
        .unwrap();
    assert_eq!(code(&output), 8, "{}", said(&output));
    assert!(
        said(&output).contains("File too large"),
        "{}",
        said(&output)
    );
    let medium = FileMedium::open(&image.path, false).unwrap();
    let superblock = probe(&medium).unwrap();
    assert_ne!(superblock.state.get(), STATE_CLEAN);
    drop(medium);
    assert_eq!(code(&image.fsck(&["-y"])), 1);
    assert_eq!(code(&image.fsck(&["-n"])), 0);
}

/// A repair does not stop because nobody hears of it.
#[test]
fn output_that_cannot_be_written_stops_no_repair() {
    let full = || {
        File::options()
            .write(true)
            .open("/dev/full")
            .unwrap()
            .into()
    };
    // Nobody reads on, as with `| head -1`.
    let closed = || {
        let mut reader = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
        let writer = reader.stdin.take().unwrap();
        reader.wait().unwrap();
        Stdio::from(writer)
    };
    let outputs: [(fn() -> Stdio, i32); 2] = [(full, 1 | 8), (closed, 1)];
    for (output, status) in outputs {
        let image = Image::new();
        fill(&image);
        image.store(block_offset(group_bitmap(0)) + 100, &[0xff; 400]);
        let done = Command::new(env!("CARGO_BIN_EXE_fsck_rdaxfs"))
            .args(["-f", "-y"])
            .arg(&image.path)
            .stdout(output())
            .output()
            .unwrap();
        assert_eq!(code(&done), status, "{}", said(&done));
        assert_eq!(code(&image.fsck(&["-f", "-n"])), 0);
    }
}

/// 1 would say that errors were repaired.
#[test]
fn help_that_cannot_be_written_is_no_repair() {
    for how in ["--help", "--version"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let done = Command::new(env!("CARGO_BIN_EXE_fsck_rdaxfs"))
            .arg(how)
            .stdout(full)
            .output()
            .unwrap();
        assert_eq!(code(&done), 8, "{}", said(&done));
        let said = said(&done);
        assert!(said.starts_with("fsck.rdaxfs: standard output"), "{said}");
    }
}

/// A volume that is cut off says how long it is, and how long it should be.
#[test]
fn a_volume_that_is_cut_off_says_so() {
    let image = Image::new();
    let file = File::options().write(true).open(&image.path).unwrap();
    file.set_len(4 << 20).unwrap();
    let output = image.fsck(&["-y"]);
    assert_eq!(code(&output), 8);
    let said = said(&output);
    assert!(
        said.contains("8388608") && said.contains("4194304"),
        "{said}"
    );
    assert!(!said.contains("run fsck"), "{said}");
}

#[test]
fn what_has_lost_its_folder_is_found_again() {
    let image = Image::new();
    let folder = fill(&image);
    // The folder is none any more.
    image.store(inode_offset(folder), &[0; 256]);
    let output = image.fsck(&["-f", "-p"]);
    assert_eq!(code(&output) & 4, 4, "{}", said(&output));
    let output = image.fsck(&["-y"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert_eq!(code(&image.fsck(&["-f", "-n"])), 0);
    image.with(|volume, _| {
        let (root, _) = volume.inodes().open(volume.root(), None).unwrap();
        assert!(volume.names().lookup(&root, b"folder").is_err());
        let (found, _) = volume
            .inodes()
            .open(
                volume.names().lookup(&root, b"lost+found").unwrap().ino,
                None,
            )
            .unwrap();
        let name = format!("#{}", folder + 1);
        assert_eq!(
            volume.names().lookup(&found, name.as_bytes()).unwrap().ino,
            folder + 1
        );
        let (file, _) = volume
            .inodes()
            .open(volume.names().lookup(&root, b"file").unwrap().ino, None)
            .unwrap();
        let mut contents = [0; 8];
        assert_eq!(volume.files().read(&file, 0, &mut contents), Ok(8));
        assert_eq!(&contents, b"contents");
    });
}

#[test]
fn even_a_lost_root_directory_is_made_anew() {
    let image = Image::new();
    fill(&image);
    let root = image.with(|volume, _| volume.root());
    image.store(
        inode_offset(root) + std::mem::offset_of!(Inode, mode) as u64,
        &[0, 0],
    );
    let output = image.fsck(&["-f", "-y"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    assert_eq!(code(&image.fsck(&["-f", "-n"])), 0);
}

#[test]
fn a_crash_leaves_nothing_for_preening_but_orphans() {
    let image = Image::new();
    fill(&image);
    // Mounted, a name removed, and never unmounted.
    let medium = FileMedium::open(&image.path, true).unwrap();
    let Mounted {
        volume,
        mut workspace,
    } = Mounted::mount(medium, Access::ReadWrite, NOW).unwrap();
    let (mut root, _) = volume.inodes().open(volume.root(), None).unwrap();
    let ino = volume.names().lookup(&root, b"file").unwrap().ino;
    let (mut file, _) = volume.inodes().open(ino, None).unwrap();
    volume
        .names()
        .unlink(&mut workspace, &mut root, b"file", &mut file, NOW)
        .unwrap();
    drop(volume);

    let output = image.fsck(&["-p"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert!(
        said(&output).contains("1 inodes that were being removed"),
        "{}",
        said(&output)
    );
    assert!(said(&image.fsck(&["-p"])).contains("clean, 3 inodes"));
}

#[test]
fn bad_arguments_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zeros");
    fs::write(&path, vec![0; 1 << 20]).unwrap();
    for (arguments, path, status, message) in [
        (&["-n"][..], &*path, 8, "is not an rdaxfs volume"),
        (&["-n", "-y"], &path, 16, "-n"),
        (&["--yes"], &path, 16, "unexpected argument '--yes'"),
        (&[], &path, 8, "give -n, -p or -y"),
        (&["-n"], Path::new("/nowhere"), 8, "/nowhere"),
        (
            &["-n"],
            Path::new("/dev/null"),
            8,
            "neither a regular file nor a block device",
        ),
    ] {
        let output = fsck(arguments, path);
        assert_eq!(code(&output), status, "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(message), "{}", said(&output));
        assert!(!said(&output).contains("tip:"), "{}", said(&output));
    }
}

/// What mkfs or udev is at work on is left alone.
#[test]
fn a_file_that_another_program_has_locked_is_left_alone() {
    let image = Image::new();
    let before = fs::read(&image.path).unwrap();
    let lock = DeviceLock::take(&image.path, Scope::Itself).unwrap();
    for arguments in [&["-p"][..], &["-y"]] {
        let output = image.fsck(arguments);
        assert_eq!(code(&output), 8, "{}", said(&output));
        assert!(said(&output).contains("locked"), "{}", said(&output));
    }
    // Who only looks needs no lock.
    assert_eq!(code(&image.fsck(&["-n"])), 0);
    assert_eq!(fs::read(&image.path).unwrap(), before);
    drop(lock);
    assert_eq!(code(&image.fsck(&["-f", "-y"])), 0);
}

/// Without -f a volume that says it is clean is believed, unless a look at its heads speaks against it.
#[test]
fn a_clean_volume_is_believed_if_its_heads_agree() {
    let image = Image::new();
    assert_eq!(code(&image.fsck(&["-n"])), 0);
    let free = offset_of!(GroupHeader, free) as u64;
    for offset in [
        block_offset(2047) + 100,
        block_offset(group_header(0)),
        block_offset(group_header(0)) + free,
    ] {
        let image = Image::new();
        image.store(offset, &[0x55; 4]);
        assert_eq!(code(&image.fsck(&["-n"])), 4, "{offset:#x}");
        assert_eq!(code(&image.fsck(&["-p"])), 1, "{offset:#x}");
        assert_eq!(code(&image.fsck(&["-n"])), 0, "{offset:#x}");
    }
}

/// A volume of 1 TiB with every bitmap lost is repaired in a time and a memory that do not grow with what is free.
#[test]
fn large_volumes_take_little() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("volume");
    let medium = FileMedium::create(&path, 1 << 40).unwrap();
    let options = Options::new((1 << 40) / 4096);
    let superblock = make(&medium, &options).unwrap();
    medium.sync().unwrap();
    let limited = |how: &[&str]| {
        Command::new("timeout")
            .args(["100", "prlimit", "--as=200000000"])
            .arg(env!("CARGO_BIN_EXE_fsck_rdaxfs"))
            .args(how)
            .arg(&path)
            .output()
            .unwrap()
    };
    let output = limited(&["-f", "-p"]);
    assert_eq!(code(&output), 0, "{}", said(&output));
    drop(medium);

    // Every block is metadata, the bitmaps of some groups say.
    let file = File::options().write(true).open(&path).unwrap();
    for group in (0..512).map(|group| group * 16) {
        for block in [group_bitmap(group), group_metadata(group)] {
            file.write_all_at(&[0xff; 4096], block_offset(block))
                .unwrap();
        }
    }
    let output = limited(&["-f", "-y"]);
    assert_eq!(code(&output), 1, "{}", said(&output));
    let medium = FileMedium::open(&path, false).unwrap();
    let found = probe(&medium).unwrap();
    assert_eq!(found.free_blocks, superblock.free_blocks);
}

/// What a group takes of memory is little: a volume of 16 TiB has 131,072.
#[test]
fn a_group_takes_little_memory() {
    // The least of a process's data, in KiB, with which it can be checked.
    const STEP: u64 = 256;
    let folder = tempfile::tempdir().unwrap();
    let runs = |path: &Path, limit: u64| {
        let output = Command::new("prlimit")
            .arg(format!("--data={}", limit << 10))
            .arg(env!("CARGO_BIN_EXE_fsck_rdaxfs"))
            .args(["-f", "-p"])
            .arg(path)
            .output()
            .unwrap();
        output.status.success()
    };
    // Both have more groups than the tool caches blocks.
    let least = [128_u64, 1024].map(|gibibytes| {
        let path = folder.path().join(gibibytes.to_string());
        let medium = FileMedium::create(&path, gibibytes << 30).unwrap();
        make(&medium, &Options::new(gibibytes << 18)).unwrap();
        medium.sync().unwrap();
        let (mut low, mut high) = (8 << 10, 40 << 10);
        assert!(runs(&path, high));
        while high - low > STEP {
            let middle = u64::midpoint(low, high);
            if runs(&path, middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        high
    });
    let groups = (1024 - 128) * 8;
    let of_a_group = (least[1].saturating_sub(least[0]) << 10) / groups;
    println!("at least {least:?} KiB, {of_a_group} bytes for a group");
    // As if all that is more were for groups, while a part of it is what the allocator cannot use.
    let largest = least[1] + (((131_072 - 8192) * of_a_group) >> 10);
    assert!(largest < 64 << 10, "{largest} KiB for the largest volume");
}

/// The descriptor of -C is the caller's: what the caller writes comes before and behind.
#[test]
fn progress_goes_to_the_callers_descriptor() {
    let image = Image::new();
    fill(&image);
    let lines = image.path.with_file_name("lines");
    let script = "exec 3>\"$2\"; echo before >&3; \"$0\" -f -n -C 3 \"$1\"; echo behind >&3";
    let done = Command::new("bash")
        .args(["-c", script])
        .arg(env!("CARGO_BIN_EXE_fsck_rdaxfs"))
        .args([&image.path, &lines])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", said(&done));
    let lines = fs::read_to_string(&lines).unwrap();
    assert!(lines.starts_with("before\n1 0 1 "), "{lines}");
    assert!(lines.ends_with("\nbehind\n"), "{lines}");
    let output = image.fsck(&["-n", "-C", "77"]);
    assert_eq!(code(&output), 8);
    assert!(said(&output).contains("descriptor 77"), "{}", said(&output));
}

#[test]
fn a_repair_says_what_it_did() {
    let image = Image::new();
    image.store(block_offset(group_bitmap(0)) + 100, &[0xff]);
    let output = image.fsck(&["-f", "-y"]);
    assert!(
        said(&output).contains("errors repaired: "),
        "{}",
        said(&output)
    );
}
