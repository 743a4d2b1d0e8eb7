// SPDX-License-Identifier: GPL-2.0

//! Whether the module is there, fits the kernel that runs, may be loaded, and is.

use super::{Diagnosis, Finding};
use crate::kernel_log::{KernelLog, Message};
use crate::module_file;
use crate::system::System;
use std::path::{Path, PathBuf};
use terminal::safe_path;
use walkdir::WalkDir;

/// Errors, and what is worse.
const ERROR: u8 = 3;
const MODULES: &str = "/lib/modules";

pub(super) fn examine(system: &System, diagnosis: &mut Diagnosis) {
    let loaded = system.has("/sys/module/rpmem");
    let Some(release) = release(system) else {
        return diagnosis
            .skip("whether the module fits the kernel: /proc/sys/kernel/osrelease cannot be read");
    };
    kernel_options(system, &release, diagnosis);
    if loaded {
        diagnosis
            .looked_at
            .push("the module rpmem is loaded".to_owned());
        return;
    }
    let installed = match installed(system, &release) {
        Some(path) => path,
        None => return diagnosis.add(missing(system, &release)),
    };
    file(system, &release, &installed, diagnosis);
    last_refusal(system, diagnosis);
    diagnosis.add(
        Finding::problem("module-not-loaded", "the module rpmem is not loaded")
            .seen("/sys/module/rpmem is not there")
            .remedy("modprobe rpmem"),
    );
}

/// The release of the kernel that runs.
fn release(system: &System) -> Option<String> {
    system.read_if_there("/proc/sys/kernel/osrelease")
}

/// Below the root that is looked at.
fn shown(system: &System, path: &Path) -> String {
    let inside = path.strip_prefix(system.path("/")).unwrap_or(path);
    safe_path(&Path::new("/").join(inside))
}

/// The module's file of a release.
fn installed(system: &System, release: &str) -> Option<PathBuf> {
    let entries = WalkDir::new(system.path(format!("{MODULES}/{release}")))
        .into_iter()
        .flatten();
    let mut found = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy();
        name == "rpmem.ko" || (name.starts_with("rpmem.ko.") && entry.file_type().is_file())
    });
    found.next().map(|entry| entry.path().to_owned())
}

fn missing(system: &System, release: &str) -> Finding {
    let others = system
        .names(MODULES)
        .into_iter()
        .filter(|other| other != release);
    let others: Vec<_> = others
        .filter(|other| installed(system, other).is_some())
        .collect();
    let mut finding = Finding::problem(
        "module-missing",
        format!("the module is not installed for the kernel that runs, {release}"),
    )
    .seen(format!("there is no rpmem.ko below {MODULES}/{release}"));
    if !others.is_empty() {
        finding = finding
            .seen(format!("there is one for {}", others.join(", ")))
            .remedy(format!("boot {}, or", others.join(" or ")));
    }
    finding
        .remedy("make KDIR=DIR && make install KDIR=DIR    # in rpmem's source; DIR: a build tree of the kernel that runs, see README.md")
}

fn file(system: &System, release: &str, path: &Path, diagnosis: &mut Diagnosis) {
    let name = shown(system, path);
    let dependencies = system.read_if_there(format!("{MODULES}/{release}/modules.dep"));
    if dependencies.is_some_and(|text| !text.contains("rpmem.ko")) {
        diagnosis.add(
            Finding::problem("module-not-indexed", "modprobe does not know the module")
                .seen(format!(
                    "{name} is there, but not in {MODULES}/{release}/modules.dep"
                ))
                .remedy(format!("depmod {release}")),
        );
    }
    if path.extension().is_none_or(|extension| extension != "ko") {
        return diagnosis.skip(format!("for which kernel {name} is, and whether it is signed: it is compressed; modinfo rpmem tells"));
    }
    let module = match module_file::read(path) {
        Ok(module) => module,
        Err(error) => {
            diagnosis.add(
                Finding::problem("module-damaged", "the module's file cannot be used")
                    .seen(format!("{error:#}"))
                    .remedy("make && make install    # in rpmem's source"),
            );
            return;
        }
    };
    if module.release != release {
        diagnosis.add(
            Finding::problem("module-for-other-kernel", "the module was built for another kernel, and will be refused")
                .seen(format!("{name} is for {} (vermagic), {release} runs", module.release))
                .remedy("make KDIR=DIR && make install KDIR=DIR    # in rpmem's source; DIR: a build tree of the kernel that runs"),
        );
    }
    if !module.signed {
        signature(system, &name, diagnosis);
    }
}

/// The module is not signed: whether it must be.
fn signature(system: &System, name: &str, diagnosis: &mut Diagnosis) {
    let enforced = system.read_if_there("/sys/module/module/parameters/sig_enforce");
    let lockdown = system.read_if_there("/sys/kernel/security/lockdown");
    let mut seen = Vec::new();
    if enforced.as_deref() == Some("Y") {
        seen.push("/sys/module/module/parameters/sig_enforce is Y".to_owned());
    }
    if let Some(lockdown) = lockdown.filter(|text| text.contains('[') && !text.contains("[none]")) {
        seen.push(format!("/sys/kernel/security/lockdown is {lockdown}"));
    }
    if seen.is_empty() {
        return;
    }
    let mut finding = Finding::problem(
        "module-unsigned",
        "the kernel takes signed modules only, and this one is not signed",
    )
    .seen(format!("{name} has no signature"));
    finding.seen.extend(seen);
    diagnosis.add(
        finding
            .remedy("KDIR/scripts/sign-file sha256 MOK.key MOK.der FILE    # with a key that mokutil --import has enrolled; see \"Secure Boot and taint\" in rpmem.rst")
            .remedy("or switch Secure Boot off in the firmware's setup"),
    );
}

/// What the driver said when it was last refused to load.
fn last_refusal(system: &System, diagnosis: &mut Diagnosis) {
    if !system.is_this_one() {
        return;
    }
    let Some(log) = KernelLog::from_start(system) else {
        return diagnosis.skip(
            "what the kernel said of the module: /dev/kmsg cannot be read (run this as root)",
        );
    };
    if let Some(message) = refusal(&log.take("rpmem")) {
        diagnosis.add(
            Finding::problem("refused", "the driver refused to load")
                .seen(format!("in the kernel's log: {}", message.text))
                .remedy("what that message says; \"Refusals\" in rpmem.rst has all of them"),
        );
    }
}

/// The last refusal, unless a load that worked came after it.
fn refusal(messages: &[Message]) -> Option<&Message> {
    const BEGINNINGS: [&str; 4] = [
        "regions=",
        "auto: ",
        "logical_block_size=",
        "no region to take",
    ];
    let is_refusal = |message: &Message| {
        let text = message.text.strip_prefix("rpmem: ").unwrap_or_default();
        let begins = BEGINNINGS
            .iter()
            .any(|beginning| text.starts_with(beginning));
        // What is found out only once the region is mapped is said of its device.
        message.level <= ERROR && (begins || message.text.contains(" has no memory at byte "))
    };
    let last = messages.iter().rposition(is_refusal)?;
    let loaded = messages[last..]
        .iter()
        .any(|message| message.text.contains(" at [mem "));
    (!loaded).then(|| &messages[last])
}

/// What the kernel was built with, where its configuration is installed.
fn kernel_options(system: &System, release: &str, diagnosis: &mut Diagnosis) {
    let path = format!("/boot/config-{release}");
    let Some(config) = system.read_if_there(&path) else {
        return diagnosis.skip(format!(
            "what the kernel was built with: there is no {path}"
        ));
    };
    let needs = [
        ("CONFIG_RUST", "no module in Rust can be loaded"),
        ("CONFIG_FS_DAX", "no file system has DAX"),
        (
            "CONFIG_ZONE_DEVICE",
            "persistent memory has no struct pages",
        ),
    ];
    for (option, consequence) in needs {
        if !config.lines().any(|line| line == format!("{option}=y")) {
            diagnosis.add(
                Finding::problem(
                    "kernel-option",
                    format!("the kernel was built without {option}: {consequence}"),
                )
                .seen(format!("{path} has no {option}=y"))
                .remedy("boot another kernel, such as Debian's of trixie-backports"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::refusal;
    use crate::kernel_log::Message;

    #[test]
    fn a_refusal_counts_until_a_load_works() {
        let message = |level, text: &str| Message {
            level,
            text: text.to_owned(),
        };
        let mut log = vec![
            message(
                6,
                "rpmem rpmem.0: rpmem0: 512 MiB at [mem 0x100000000-0x11fffffff]",
            ),
            message(
                3,
                "rpmem: badblocks: line 1: \"x\": START is not a decimal number",
            ),
        ];
        assert_eq!(refusal(&log), None);
        log.push(message(
            3,
            "rpmem: regions=\"1G!4G\": there is no @; write SIZE@ADDR",
        ));
        assert_eq!(refusal(&log), Some(&log[2]));
        log.push(message(
            3,
            "rpmem rpmem.0: probe with driver rpmem failed with error -12",
        ));
        assert_eq!(refusal(&log), Some(&log[2]));
        log.push(log[0].clone());
        assert_eq!(refusal(&log), None);
        log.push(message(
            3,
            "rpmem rpmem.0: [mem 0x800000000-0x83fffffff] has no memory at byte 0x0: what is stored",
        ));
        assert_eq!(refusal(&log), log.last());
    }
}
