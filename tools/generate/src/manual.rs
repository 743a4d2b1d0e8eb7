// SPDX-License-Identifier: GPL-2.0

//! A manual page: what clap knows of the program, a section for each of its commands, and what only a
//! person can write.

use anyhow::Result;
use clap::{Arg, Command};
use clap_mangen::Man;
use roff::{bold, italic, roman, Roff};

/// The page of a program in section 8, with more sections in roff behind.
pub(crate) fn page(mut command: Command, sections: &str) -> Result<Vec<u8>> {
    // Fills in the usage of the commands.
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone()).section("8").manual("rpmem");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    let mut roff = Roff::new();
    synopsis(&mut roff, &command);
    roff.to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut roff = Roff::new();
    if command.has_subcommands() {
        roff.control("SH", ["COMMANDS"]);
    }
    for subcommand in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        describe(&mut roff, subcommand);
    }
    roff.to_writer(&mut page)?;
    // The first lines say what the file is, which is no part of the page.
    let text = sections
        .lines()
        .skip_while(|line| line.starts_with(".\\\""));
    page.extend(
        text.flat_map(|line| [line, "\n"])
            .collect::<String>()
            .bytes(),
    );
    Ok(page)
}

/// How the program is called, with its values: clap_mangen leaves those of options out.
fn synopsis(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["SYNOPSIS"]);
    let name = command.get_name();
    let shown = |one: &&Command| !one.is_hide_set();
    // A program with commands may be called without one.
    let mut is_first = !command.get_positionals().any(|_| true);
    if !is_first || !command.has_subcommands() {
        roff_line(roff, name, command);
    }
    for subcommand in command.get_subcommands().filter(shown) {
        if !is_first {
            roff.control("br", []);
        }
        is_first = false;
        roff_line(
            roff,
            &format!("{name} {}", subcommand.get_name()),
            subcommand,
        );
    }
}

/// A line of the synopsis.
fn roff_line(roff: &mut Roff, called: &str, command: &Command) {
    let mut line = vec![bold(called)];
    let arguments = command
        .get_arguments()
        .filter(|one| !one.is_hide_set() && !["help", "version"].contains(&one.get_id().as_str()));
    let (positional, options): (Vec<_>, Vec<_>) = arguments.partition(|one| one.is_positional());
    for option in options {
        let short = option.get_short().map(|short| format!("-{short}"));
        let name = short.or(option.get_long().map(|long| format!("--{long}")));
        line.extend([roman(" ["), bold(name.unwrap_or_default())]);
        if option.get_action().takes_values() {
            line.extend([roman(" "), italic(values(option))]);
        }
        line.push(roman("]"));
    }
    for one in positional {
        let more = if one
            .get_num_args()
            .is_some_and(|range| range.max_values() > 1)
        {
            "..."
        } else {
            ""
        };
        let (open, close) = if one.is_required_set() {
            ("", "")
        } else {
            ("[", "]")
        };
        line.extend([
            roman(format!(" {open}")),
            italic(values(one)),
            roman(format!("{more}{close}")),
        ]);
    }
    roff.text(line);
}

/// The names of an argument's values.
fn values(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    names.join(" ")
}

fn describe(roff: &mut Roff, command: &Command) {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim().to_owned();
    roff.control("SS", []);
    roff.text([bold(usage)]);
    roff.control("PP", []);
    let about = command.get_long_about().or_else(|| command.get_about());
    paragraphs(
        roff,
        "PP",
        &about.map(ToString::to_string).unwrap_or_default(),
    );
    for argument in command
        .get_arguments()
        .filter(|one| !one.is_hide_set() && !one.is_global_set())
    {
        if ["help", "version", "json"].contains(&argument.get_id().as_str()) {
            continue;
        }
        let mut title = values(argument);
        if let Some(long) = argument.get_long() {
            title = format!("--{long} {title}");
        }
        roff.control("TP", []);
        roff.text([bold(title)]);
        let help = argument.get_long_help().or_else(|| argument.get_help());
        paragraphs(
            roff,
            "IP",
            &help.map(ToString::to_string).unwrap_or_default(),
        );
    }
}

/// Text whose paragraphs are parted by empty lines; each but the first begins with this request.
fn paragraphs(roff: &mut Roff, request: &str, text: &str) {
    for (number, paragraph) in text.split("\n\n").enumerate() {
        if number > 0 {
            roff.control(request, []);
        }
        roff.text([roman(paragraph.replace('\n', " "))]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(page: &[u8], title: &str) -> String {
        let text = String::from_utf8(page.to_vec()).unwrap();
        let start = text.find(&format!(".SH {title}")).unwrap();
        let rest = &text[start + 4..];
        rest[..rest.find(".SH ").unwrap_or(rest.len())].to_owned()
    }

    /// What is typed, without roff's changes of fonts.
    fn plain(text: &str) -> String {
        let mut text = text.replace("\\-", "-");
        for font in ["\\fB", "\\fI", "\\fR"] {
            text = text.replace(font, "");
        }
        text
    }

    #[test]
    fn the_synopsis_has_values() {
        let page = page(fsck_rdaxfs::cli::command(), "").unwrap();
        let synopsis = plain(&section(&page, "SYNOPSIS"));
        for part in [
            "fsck.rdaxfs [-n] [-p]",
            " [-b BLOCK]",
            " [-C FD]",
            " DEVICE|FILE\n",
        ] {
            assert!(synopsis.contains(part), "{part}: {synopsis}");
        }
        let page = super::page(dump_rdaxfs::cli::command(), "").unwrap();
        let synopsis = plain(&section(&page, "SYNOPSIS"));
        for part in [
            "dump.rdaxfs [--json] [--block N] [--groups] [--export] DEVICE|FILE [PATH|INODE]\n",
            "dump.rdaxfs cat DEVICE|FILE PATH|INODE\n",
        ] {
            assert!(synopsis.contains(part), "{part}: {synopsis}");
        }
        let page = super::page(rpmemctl::cli::command(), "").unwrap();
        let synopsis = plain(&section(&page, "SYNOPSIS"));
        for part in [
            "rpmemctl list [--json] [DEVICE...]\n",
            "rpmemctl inject [--json] DEVICE OFFSET LEN\n",
            "rpmemctl suggest [--align SIZE] [--node N] [--json] SIZE\n",
        ] {
            assert!(synopsis.contains(part), "{part}: {synopsis}");
        }
    }

    /// A backslash in a help text is one on the page.
    #[test]
    fn escapes_are_shown_as_they_are_typed() {
        let page = page(dump_rdaxfs::cli::command(), "").unwrap();
        let text = String::from_utf8(page).unwrap();
        assert!(
            text.contains("\\\\xHH") || text.contains("\\exHH"),
            "{text}"
        );
    }
}
