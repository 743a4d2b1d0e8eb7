// SPDX-License-Identifier: GPL-2.0

//! A manual page: what clap knows of the program, a section for each of its commands, and what only a
//! person can write.

use anyhow::Result;
use clap::Command;
use clap_mangen::Man;
use roff::{bold, roman, Roff};

/// The page of a program in section 8, with more sections in roff behind.
pub(crate) fn page(mut command: Command, sections: &str) -> Result<Vec<u8>> {
    // Fills in the usage of the commands.
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone()).section("8").manual("rpmem");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
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
        let names: Vec<_> = argument
            .get_value_names()
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect();
        let mut title = names.join(" ");
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
