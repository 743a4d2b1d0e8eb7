// SPDX-License-Identifier: GPL-2.0

//! The UUIDs of mounted volumes, so that no two volumes of one UUID are mounted by mistake.
//!
//! C header: [`include/linux/uuid.h`](srctree/include/linux/uuid.h)

use kernel::{
    fmt,
    prelude::*,
    sync::{new_mutex, Arc, Mutex},
};

/// A UUID, its bytes as RFC 9562 orders them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uuid(pub [u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            f.write_fmt(fmt!("{byte:02x}"))?;
        }
        Ok(())
    }
}

/// The UUIDs of the mounted volumes of a file system.
#[pin_data]
pub(super) struct Table {
    #[pin]
    uuids: Mutex<KVec<Uuid>>,
}

impl Table {
    pub(super) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                uuids <- new_mutex!(KVec::new()),
            }),
            GFP_KERNEL,
        )
    }
}

/// No other volume of this UUID is mounted while this exists.
pub struct UuidClaim {
    table: Arc<Table>,
    uuid: Uuid,
}

impl UuidClaim {
    /// # Errors
    ///
    /// `EBUSY` if there is such a volume; `ENOMEM`.
    pub(super) fn new(table: Arc<Table>, uuid: Uuid) -> Result<Self> {
        {
            let mut uuids = table.uuids.lock();
            if uuids.contains(&uuid) {
                return Err(EBUSY);
            }
            uuids.push(uuid, GFP_KERNEL)?;
        }
        Ok(Self { table, uuid })
    }
}

impl Drop for UuidClaim {
    fn drop(&mut self) {
        self.table.uuids.lock().retain(|uuid| *uuid != self.uuid);
    }
}
