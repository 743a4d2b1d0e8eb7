// SPDX-License-Identifier: GPL-2.0

//! The format's documentation says what the code does: offsets, widths and names of all fields. So does libblkid's prober.

use core::mem::offset_of;

use rdaxfs_core::format::{
    Child, EntryHead, ExtentRecord, GroupHeader, Inode, InodeChunk, NodeHeader, RecordEntry,
    RecordHeader, Superblock, XattrEntry, XattrHeader,
};

const FORMAT: &str = include_str!("../../../../Documentation/filesystems/rdaxfs/format.rst");

const PROBER: &str = include_str!("../../../../contrib/libblkid/rdaxfs.c");

/// A field: offset, width, name.
type Field = (usize, usize, String);

/// The rows of the documentation's tables of fields, table by table. Rows whose width is not a
/// number are contents of varying length.
fn documented() -> Vec<Vec<Field>> {
    let mut tables = Vec::new();
    let mut lines = FORMAT.lines();
    while let Some(line) = lines.next() {
        if !line.starts_with("offset  width  field") {
            continue;
        }
        lines.next().expect("the table's head is underlined");
        let rows = lines
            .by_ref()
            .take_while(|line| !line.starts_with("======"));
        let fields = rows.filter_map(|row| {
            let mut columns = row.split_whitespace();
            let offset = columns.next()?.parse().ok()?;
            let width = columns.next()?.parse().ok()?;
            Some((offset, width, columns.next()?.to_owned()))
        });
        tables.push(fields.collect());
    }
    tables
}

macro_rules! fields {
    ($of:ty: $($field:ident)*) => {{
        let value: $of = zerocopy::FromZeros::new_zeroed();
        let mut fields: Vec<Field> = vec![
            $((offset_of!($of, $field), size_of_val(&value.$field), stringify!($field).to_owned()),)*
        ];
        fields.sort();
        let mut end = 0;
        for (offset, width, name) in &fields {
            assert_eq!(*offset, end, "a field before {name} is missing from this test");
            end += width;
        }
        assert_eq!(end, size_of::<$of>(), "a field is missing from this test");
        fields
    }};
}

fn superblock() -> Vec<Field> {
    fields!(Superblock: magic crc compat ro_compat incompat uuid reserved_early blocks root hash_key
        align_offset slots slots_at created inode_size reserved_size reserved label
        bad_blocks retired_slots state free_blocks inodes mounted mounts errors error_kind first_error
        last_error)
}

/// The fields of the prober's structure, which is packed.
fn probed() -> Vec<Field> {
    let (_, body) = PROBER
        .split_once("struct rdaxfs_super_block {\n")
        .expect("the prober has a superblock");
    let (body, _) = body
        .split_once("} __attribute__((packed));")
        .expect("the structure is packed");
    let mut end = 0;
    let declared = body.lines().filter_map(|line| line.split_once(';'));
    declared
        .map(|(declaration, _)| {
            let mut words = declaration.split_whitespace();
            let width = match words.next() {
                Some("uint8_t") => 1,
                Some("uint32_t") => 4,
                Some("uint64_t") => 8,
                other => panic!("{other:?} is a type that this test does not know"),
            };
            let name = words.next().expect("a field has a name");
            let (name, count) = name.split_once('[').map_or((name, 1), |(name, count)| {
                let count = count.trim_end_matches(']').parse();
                (name, count.expect("an array has a length"))
            });
            let offset = end;
            end += width * count;
            (offset, width * count, name.to_owned())
        })
        .collect()
}

/// Volumes that libblkid does not recognize are overwritten without a question.
#[test]
fn the_prober_knows_the_superblock() {
    use rdaxfs_core::format::{MAX_BLOCKS, MIN_BLOCKS, SUPER_CRC};

    let probed = probed();
    // It leaves out what it does not look at, at the end.
    assert!(superblock().starts_with(&probed), "{probed:#?}");
    let at = |wanted| {
        let found = probed.iter().find(|(_, _, name)| name == wanted);
        found.expect("the prober has the field").0
    };
    assert_eq!(at("compat")..at("label"), SUPER_CRC);
    for line in [
        "from = offsetof(struct rdaxfs_super_block, compat);".to_owned(),
        "to = offsetof(struct rdaxfs_super_block, label);".to_owned(),
        format!("#define RDAXFS_MIN_BLOCKS\t{MIN_BLOCKS}ULL\n"),
        format!(
            "#define RDAXFS_MAX_BLOCKS\t(1ULL << {})\n",
            MAX_BLOCKS.ilog2()
        ),
        r#".magic = "rdaxfs\0\1", .len = 8"#.to_owned(),
    ] {
        assert!(PROBER.contains(&line), "the prober does not say: {line}");
    }
}

#[test]
fn the_documentation_has_the_fields() {
    let structures = [
        superblock(),
        fields!(GroupHeader: magic crc group uuid reserved free free_chunks inode_chunks orphans
            inodes reserved_words),
        fields!(RecordHeader: sequence crc count),
        fields!(RecordEntry: offset value),
        fields!(InodeChunk: magic crc block used next prev reserved),
        fields!(Inode: magic crc ino generation mode reserved uid gid project flags own_flags
            reserved_flags btime xattrs size blocks mtime ctime links reserved_links root inline
            atime parent orphan_next orphan_prev intent),
        fields!(ExtentRecord: page count block),
        fields!(NodeHeader: magic crc block owner generation level reserved low word more
            reserved_word),
        fields!(Child: key block),
        fields!(EntryHead: key target),
        fields!(XattrHeader: magic crc block owner generation bytes reserved),
        fields!(XattrEntry: value_len name_len space),
    ];
    let documented = documented();
    assert_eq!(documented.len(), structures.len());
    for (documented, structure) in documented.iter().zip(&structures) {
        assert_eq!(documented, structure);
    }
}

/// The checksums and magic numbers that the text names.
#[test]
fn the_documentation_has_the_constants() {
    use rdaxfs_core::format::*;

    assert_eq!(SUPER_MAGIC.to_le_bytes(), *b"rdaxfs\0\x01");
    assert_eq!((SUPER_CRC, SUPER_SHARED), (12..144, 192));
    assert_eq!(GROUP_CRC, 8..64);
    assert_eq!(INODE_CRC, 8..56);
    assert_eq!(NODE_CRC, 8..40);
    assert_eq!((MAX_ENTRIES, MAX_CHILDREN, MAX_EXTENTS), (255, 252, 236));
    assert_eq!(MAX_CHECKED, 262_144);
    assert_eq!((EXTENT_ORDER, EXTENT_PLACES), (64, 320));
    assert_eq!((INLINE_EXTENTS, INLINE_BYTES), (6, 96));
    assert_eq!(
        (MIN_BLOCKS, MAX_BLOCKS, MIN_GROUP_BLOCKS),
        (64, 1 << 32, 16)
    );
    assert_eq!((MAX_SLOTS, GROUP_RESERVE, MAX_XATTR_BLOCKS), (64, 8, 32));
    for (magic, text) in [
        (GROUP_MAGIC, "rdxG"),
        (INODE_CHUNK_MAGIC, "rdxC"),
        (INODE_MAGIC, "rdxI"),
        (INNER_MAGIC, "rdxN"),
        (EXTENT_LEAF_MAGIC, "rdxE"),
        (DIRECTORY_LEAF_MAGIC, "rdxD"),
        (XATTR_MAGIC, "rdxX"),
    ] {
        assert_eq!(magic.to_le_bytes(), text.as_bytes());
        assert!(
            FORMAT.contains(&format!("``{text}``")),
            "{text} is not documented"
        );
    }
}
