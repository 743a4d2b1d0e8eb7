// SPDX-License-Identifier: GPL-2.0

//! Images for bug reports: what fsck finds in the volume it finds in the image, which shows no name and no data.

use std::path::Path;
use std::process::Command;

use rdaxfs_check::{choose_superblock, discard_records, survey, Image, Problem, Repairs};
use rdaxfs_core::format::{Time, XattrSpace, S_IFDIR, S_IFLNK, S_IFREG};
use rdaxfs_core::mount::{self, Access};
use rdaxfs_core::name::{unannounced, NewInode};
use rdaxfs_core::workspace::Workspace;
use rdaxfs_core::xattr::{NewXattr, XattrName};
use rdaxfs_host::{resolve, FileMedium, Host, Mounted};
use rdaxfs_mutate::corpus::corpus;
use rdaxfs_mutate::trial::{damaged, seed};

const VOLUMES: u64 = 300;
const NOW: Time = Time::new(1_000_000_000, 5);

fn image(path: &Path, to: &Path) -> (bool, String) {
    let _ = std::fs::remove_file(to);
    let output = Command::new("timeout")
        .args(["120", env!("CARGO_BIN_EXE_dump_rdaxfs"), "image"])
        .args([path, to])
        .output()
        .expect("the program can be run");
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    let said = String::from_utf8(output.stderr).expect("it writes UTF-8");
    (output.status.success(), said)
}

/// What fsck -n finds, without names; [`None`] if there is no good superblock. Also how many rounds a repair takes.
fn findings(path: &Path) -> Option<(Vec<String>, usize)> {
    let open = || FileMedium::open(path, false).unwrap();
    let medium = open();
    let (superblock, wrong) = choose_superblock(&medium).ok()?;
    let mut found: Vec<String> = wrong
        .iter()
        .map(|wrong| wrong.problem.to_string())
        .collect();
    let apply = |medium: &FileMedium| {
        if let Some(wrong) = &wrong {
            wrong.apply(medium);
        }
    };
    apply(&medium);
    let mut workspace = Box::new(Workspace::new());
    let replayed = mount::replay(Host::new(medium, &superblock), &mut workspace);
    let medium = if let Ok(host) = replayed {
        host.into_medium()
    } else {
        let medium = open();
        apply(&medium);
        discard_records(&medium, &superblock);
        medium
    };
    // A damaged record may be one for the superblock.
    let (superblock, _) = choose_superblock(&medium).ok()?;
    let survey = survey(&Image::new(&medium, superblock), |_| {});
    found.extend(
        survey
            .findings
            .iter()
            .map(|finding| match &finding.problem {
                // Which of two entries in the same lines is no name depends on the other one's bytes.
                Problem::Entry { ino, what, .. } => match *what {
                    "is no name; it is removed" | "overlaps another; it is removed" => {
                        format!("directory {ino}: entry that cannot be one")
                    }
                    what => format!("directory {ino}: entry {what}"),
                },
                problem => problem.to_string(),
            }),
    );
    let mut repairs = Repairs::default();
    repairs
        .repair(&medium, &mut |_: &Problem| true)
        .expect("it can be repaired");
    Some((found, repairs.repaired()))
}

#[test]
fn damage_is_in_the_image_too() {
    let folder = tempfile::tempdir().unwrap();
    let (path, to) = (folder.path().join("volume"), folder.path().join("image"));
    let bases = corpus();
    let (mut all, mut wrong, mut repaired_alike) = (0, 0, 0);
    for number in 0..VOLUMES {
        let volume = damaged(&bases, &seed(number)).expect("there are volumes");
        volume.save(&path).unwrap();
        let found = findings(&path);
        let (made, said) = image(&path, &to);
        if let Some(found) = found {
            assert!(made, "{number}: {said}");
            let again = findings(&to)
                .unwrap_or_else(|| panic!("{number}: the image is not a volume, {found:?}"));
            if said.contains("as fsck repairs it") {
                assert_eq!(again.0, found.0[1..], "{number}");
                continue;
            }
            assert_eq!(again.0, found.0, "{number}");
            all += 1;
            wrong += u32::from(!found.0.is_empty());
            repaired_alike += u32::from(again.1 == found.1);
        }
    }
    println!("{all} volumes, {wrong} of them with damage, {repaired_alike} are repaired alike");
    assert!(wrong > 50);
    // What only a repair brings to light may have been left out.
    assert!(repaired_alike > all * 95 / 100);
}

#[test]
fn good_volumes_stay_good() {
    let folder = tempfile::tempdir().unwrap();
    let (path, to) = (folder.path().join("volume"), folder.path().join("image"));
    for base in corpus() {
        base.undamaged().save(&path).unwrap();
        let found = findings(&path).unwrap();
        let (made, said) = image(&path, &to);
        assert!(made && said.is_empty(), "{}: {said}", base.name);
        assert_eq!(findings(&to), Some(found), "{}", base.name);
    }
}

/// Makes a volume in which every text that a user chose has "secret" in it.
fn full_of_secrets(path: &Path) {
    let medium = FileMedium::create(path, 8 << 20).unwrap();
    let mut mounted = Mounted::make(medium, NOW).unwrap();
    let Mounted { volume, workspace } = &mut mounted;
    let new = |mode| NewInode {
        mode,
        ..NewInode::default()
    };
    let (mut root, _) = volume.inodes().open(volume.root(), None).unwrap();
    let announce = &mut unannounced;
    let user = XattrName::new(XattrSpace::User, b"secret").unwrap();
    let label = XattrName::new(XattrSpace::Security, b"selinux").unwrap();
    let value = b"secret ".repeat(900);
    let xattrs = [
        NewXattr {
            name: label,
            value: b"secret_t",
        },
        NewXattr {
            name: user,
            value: &value,
        },
    ];
    for (name, files) in [(&b"secret-few"[..], 3), (b"secret-many", 400)] {
        let folder = new(S_IFDIR | 0o755);
        let made = volume
            .names()
            .mkdir(workspace, &mut root, name, &folder, NOW, announce);
        let mut below = made.unwrap().map;
        for number in 0..files {
            let name = format!("secret{number}{}", "long".repeat(number % 40));
            let file = NewInode {
                xattrs: &xattrs,
                ..new(S_IFREG | 0o640)
            };
            let name = name.as_bytes();
            let created = volume
                .names()
                .create(workspace, &mut below, name, &file, NOW, announce);
            let mut map = created.unwrap().map;
            volume
                .files()
                .write(workspace, &mut map, 0, b"secret data", NOW)
                .unwrap();
            if number % 3 == 1 {
                // What was there stays in the free lines.
                volume
                    .names()
                    .unlink(workspace, &mut below, name, &mut map, NOW)
                    .unwrap();
            }
            volume.files().close(&mut map);
        }
    }
    for (name, target) in [
        (&b"secret-l"[..], &b"../secret/./target"[..]),
        (b"secret-m", &b"/secret".repeat(50)),
        (b"s", b"secret"),
        (b"t", b"secret"),
    ] {
        let link = new(S_IFLNK | 0o777);
        volume
            .names()
            .symlink(workspace, &mut root, (name, target), &link, NOW, announce)
            .unwrap();
    }
    mounted.unmount().unwrap();
}

#[test]
fn nothing_that_a_user_wrote_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, to) = (folder.path().join("volume"), folder.path().join("image"));
    full_of_secrets(&path);
    let found = findings(&path);
    let (made, said) = image(&path, &to);
    assert!(made && said.is_empty(), "{said}");
    let bytes = std::fs::read(&to).unwrap();
    let has = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
    assert!(has(&std::fs::read(&path).unwrap(), b"secret"));
    for text in [&b"secret"[..], b"long", b"data", b"target", b"ecret"] {
        assert!(!has(&bytes, text), "{}", String::from_utf8_lossy(text));
    }
    assert!(
        has(&bytes, b"selinux"),
        "names that the kernel defines stay"
    );
    assert_eq!(findings(&to), found);
    let (_, again) = image(&path, &to.join("nowhere"));
    assert!(again.contains("cannot be made"), "{again}");

    // Every name can be looked up, and leads to its inode.
    let medium = FileMedium::open(&to, false).unwrap();
    let Mounted {
        volume,
        mut workspace,
    } = Mounted::mount(medium, Access::NoStores, NOW).unwrap();
    let mut paths = vec![(Vec::new(), volume.root())];
    let mut seen = 0;
    while let Some((path, ino)) = paths.pop() {
        let (map, attributes) = volume.inodes().open(ino, None).unwrap();
        assert_eq!(resolve(&volume, &[&b"/"[..], &path].concat()).unwrap(), ino);
        seen += 1;
        if !attributes.is_directory() {
            continue;
        }
        let read = volume.names().readdir(&mut workspace, &map, 0, |entry| {
            paths.push(([&path[..], b"/", entry.name].concat(), entry.ino));
            true
        });
        read.unwrap();
    }
    assert!(seen > 250, "{seen}");
}

/// Half an image is not left behind, where it would be taken for a whole one, and refuse the next.
#[test]
fn an_image_that_cannot_be_written_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let [path, to] = ["volume", "image"].map(|name| folder.path().join(name));
    let medium = FileMedium::create(&path, 8 << 20).unwrap();
    Mounted::make(medium, NOW).unwrap().unmount().unwrap();
    // With SIGXFSZ ignored, a file that is too long is EFBIG.
    let output = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$@\"", "bash"])
        .args([env!("CARGO_BIN_EXE_dump_rdaxfs"), "image"])
        .args([&path, &to])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("image cannot be written"), "{said}");
    assert!(!to.exists());
    assert_eq!(image(&path, &to), (true, String::new()));
    // What is there already is another's.
    std::fs::write(&to, "kept").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_dump_rdaxfs"))
        .arg("image")
        .args([&path, &to])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(std::fs::read(&to).unwrap(), b"kept");
}
