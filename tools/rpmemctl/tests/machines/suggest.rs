// SPDX-License-Identifier: GPL-2.0

//! Where `suggest` puts a region: on machines of files, and for any free ranges.

use crate::tree::{Tree, FIRMWARE, IOMEM};
use proptest::prelude::*;
use rangemap::RangeSet;
use rpmemctl::suggest::choose::{choose, largest, Choice, Want};

const M: u64 = 1 << 20;
const G: u64 = 1 << 30;
const HIGH: u64 = 4 * G;

/// A machine with 8 GiB: 3 below the hole, 5 above 4 GiB, memory for a crash kernel.
const DESKTOP: &str = "\
00000000-00000fff : Reserved
00001000-0009efff : System RAM
0009f000-000fffff : Reserved
00100000-b9ffffff : System RAM
  ab000000-b4ffffff : Crash kernel
ba000000-bfffffff : ACPI Tables
e0000000-efffffff : PCI MMCONFIG 0000 [bus 00-ff]
100000000-23fffffff : System RAM
  100000000-1011fffff : Kernel code
  101200000-1020fffff : Kernel data
";
const DESKTOP_FIRMWARE: [(u64, u64, &str); 4] = [
    (0x1000, 0x9efff, "System RAM"),
    (0x10_0000, 0xb9ff_ffff, "System RAM"),
    (0xba00_0000, 0xbfff_ffff, "ACPI Tables"),
    (0x1_0000_0000, 0x2_3fff_ffff, "System RAM"),
];

fn text(tree: &Tree, arguments: &[&str]) -> (i32, String, String) {
    let output = tree.run(arguments);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn clear_of_the_kernel_and_aligned() {
    let tree = Tree::with_memory(DESKTOP, &DESKTOP_FIRMWARE);
    let (status, value) = tree.json(&["suggest", "1G"]);
    assert_eq!(status, 0);
    // The first GiB above 4 GiB has the kernel's image in it.
    assert_eq!(value["boot"]["memmap"], "memmap=1G!5G");
    assert_eq!(value["boot"]["memmap_reserved"], "memmap=1G$5G");
    assert_eq!(value["boot"]["memmap_reserved_grub"], "memmap=1G\\$5G");
    assert_eq!(value["boot"]["regions"], "regions=1G@5G");
    assert_eq!(value["boot"]["alignment"], G);
    assert_eq!(value["now"], serde_json::Value::Null);
    // 5 GiB do not fit beside the kernel at 1 GiB, nor at 128 MiB: 4.9 GiB do.
    let (_, value) = tree.json(&["suggest", "4G"]);
    assert_eq!(value["boot"]["start"], 5 * G);
    let (_, value) = tree.json(&["suggest", "4900M"]);
    assert_eq!(value["boot"]["start"], 4 * G + 128 * M);
    let (_, value) = tree.json(&["suggest", "5082M"]);
    assert_eq!(
        (&value["boot"]["start"], &value["boot"]["alignment"]),
        (&(4 * G + 34 * M).into(), &(2 * M).into())
    );
}

#[test]
fn what_is_left_counts_struct_pages() {
    let tree = Tree::with_memory(DESKTOP, &DESKTOP_FIRMWARE);
    let (_, value) = tree.json(&["suggest", "1G"]);
    let boot = &value["boot"];
    let number = |name: &str| boot[name].as_u64().unwrap();
    assert_eq!(number("struct_pages"), 16 * M);
    assert_eq!(number("ram_left"), number("ram") - G - 16 * M);
}

#[test]
fn below_4g_only_if_need_be() {
    // No RAM above.
    let iomem: String = DESKTOP
        .lines()
        .take(7)
        .flat_map(|line| [line, "\n"])
        .collect();
    let tree = Tree::with_memory(&iomem, &DESKTOP_FIRMWARE);
    let (_, value) = tree.json(&["suggest", "1G"]);
    // The highest multiple of 1 GiB below the memory for the crash kernel.
    assert_eq!(value["boot"]["start"], G);
    let (_, value) = tree.json(&["suggest", "64M"]);
    // Between that and the tables of ACPI.
    assert_eq!(value["boot"]["start"], 0xb600_0000_u64);
}

#[test]
fn refuses_with_the_most_that_can_be_had() {
    let tree = Tree::with_memory(DESKTOP, &DESKTOP_FIRMWARE);
    let (status, out, error) = text(&tree, &["suggest", "64G"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(
        error.contains("SIZE 64G") && error.contains("ask for"),
        "{error}"
    );
    let (status, _, error) = text(&tree, &["suggest", "6G"]);
    assert_eq!(status, 1);
    assert!(
        error.contains("in one piece; the largest aligned one has 5086M"),
        "{error}"
    );
    let (status, _, error) = text(&tree, &["suggest", "1G", "--node", "3"]);
    assert_eq!(
        status, 0,
        "a machine that does not tell its nodes has any: {error}"
    );
    for (arguments, hint) in [
        (&["suggest", "3M"][..], "ask for 2M or 4M"),
        (&["suggest", "0"], "ask for 2M"),
        (&["suggest", "1Q"], "not a size"),
        (
            &["suggest", "1G", "--align", "1M"],
            "not a power of two that is at least 2M",
        ),
    ] {
        let (status, _, error) = text(&tree, arguments);
        assert_eq!(status, 2, "{arguments:?}");
        assert!(error.contains(hint), "{error}");
    }
}

#[test]
fn on_one_node() {
    let tree = Tree::with_memory(DESKTOP, &DESKTOP_FIRMWARE);
    // Blocks of 128 MiB; the second node begins at 6 GiB.
    tree.file("/sys/devices/system/memory/block_size_bytes", "8000000\n");
    for block in 0..72 {
        let node = u32::from(block >= 48);
        tree.file(
            &format!("/sys/devices/system/node/node{node}/memory{block}/state"),
            "online\n",
        );
    }
    let start = |arguments: &[&str]| {
        let (status, value) = tree.json(arguments);
        assert_eq!(status, 0);
        (
            value["boot"]["start"].as_u64().unwrap(),
            value["boot"]["numa_node"].as_u64().unwrap(),
        )
    };
    assert_eq!(start(&["suggest", "1G"]), (5 * G, 0));
    assert_eq!(start(&["suggest", "2G"]), (6 * G, 1));
    assert_eq!(start(&["suggest", "1G", "--node", "1"]), (6 * G, 1));
    let (status, _, error) = text(&tree, &["suggest", "1G", "--node", "2"]);
    assert_eq!(status, 1);
    assert!(error.contains("nodes with RAM are 0, 1"), "{error}");
}

#[test]
fn memory_that_is_set_aside_comes_first() {
    let tree = Tree::with_memory(IOMEM, &FIRMWARE);
    let (_, value) = tree.json(&["suggest", "384M"]);
    assert_eq!(value["now"]["regions"], "regions=384M@4G");
    // Not where it would touch another range and become one with it.
    assert_eq!(
        value["boot"]["start"],
        0x77fd_d000_u64 / (128 * M) * (128 * M) - 384 * M
    );

    let held = IOMEM.replace(
        "120000000-127",
        "  100000000-11fffffff : rpmem0\n120000000-127",
    );
    let tree = Tree::with_memory(&held, &FIRMWARE);
    let (_, value) = tree.json(&["suggest", "384M"]);
    assert_eq!(value["now"]["regions"], "regions=384M@4736M");
    let (_, value) = tree.json(&["suggest", "512M"]);
    assert_eq!(value["now"], serde_json::Value::Null);
}

#[test]
fn reserved_memory_counts_only_if_the_command_line_made_it_of_ram() {
    let iomem = DESKTOP.replace(
        "100000000-23fffffff : System RAM",
        "100000000-23fffffff : Reserved",
    );
    let iomem: String = iomem
        .lines()
        .take(8)
        .flat_map(|line| [line, "\n"])
        .collect();
    let tree = Tree::with_memory(&iomem, &DESKTOP_FIRMWARE);
    let (_, value) = tree.json(&["suggest", "256M"]);
    assert_eq!(value["now"], serde_json::Value::Null);
    tree.file("/proc/cmdline", "memmap=5G$4G");
    let (_, value) = tree.json(&["suggest", "256M"]);
    assert_eq!(value["now"]["regions"], "regions=256M@4G");
}

#[test]
fn many_memmaps_are_told_of() {
    let tree = Tree::with_memory(DESKTOP, &DESKTOP_FIRMWARE);
    tree.file(
        "/proc/cmdline",
        "memmap=1M!1G,1M!2G memmap=1M!3G memmap=1M!4G",
    );
    let (_, value) = tree.json(&["suggest", "1G"]);
    assert!(value["notes"].to_string().contains("KASLR"), "{value}");
}

fn fits(free: &[RangeSet<u64>], choice: &Choice, size: u64) -> bool {
    let end = choice.start + size;
    let inside = free
        .iter()
        .flat_map(|set| set.iter())
        .any(|range| range.start <= choice.start && end <= range.end);
    inside && choice.start % choice.alignment == 0 && (choice.start >= HIGH || end <= HIGH)
}

prop_compose! {
    /// Ranges up to 8 GiB, that may begin and end within a 2 MiB.
    fn ranges()(parts in prop::collection::vec((0..4096u64, 1..900u64, 0..2u64), 0..6)) -> RangeSet<u64> {
        parts.into_iter().map(|(start, size, odd)| {
            let start = start * 2 * M + odd * 4096;
            start..start + size * 2 * M
        }).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_choice_fits_and_is_found_if_there_is_one(one in ranges(), two in ranges(), size in 1..1024u64, align in 0..4u32) {
        let free = [one, two];
        let size = size * 2 * M;
        // 0: as it thinks best; else 2 MiB, 8 MiB, 32 MiB.
        let align = align.checked_sub(1).map(|n| (2 * M) << (2 * n));
        let want = Want { size, align, node: None };
        let least = align.unwrap_or(2 * M);
        let places = (0..8192).map(|n| n * 2 * M).filter(|start| start % least == 0);
        let mut all = places.map(|start| Choice { start, alignment: least }).filter(|choice| fits(&free, choice, size));
        match choose(&free, &want) {
            Some(choice) => {
                prop_assert!(fits(&free, &choice, size), "{choice:?}");
                prop_assert!(choice.alignment >= least);
                // Below 4 GiB only if there is no place above.
                prop_assert!(choice.start >= HIGH || !all.any(|other| other.start >= HIGH));
                prop_assert!(size <= largest(&free));
            }
            None => prop_assert_eq!(all.next(), None),
        }
    }
}
