// SPDX-License-Identifier: GPL-2.0
//
// A web server that is asked for one page. Then it says what the machine counted until then, and what of its own memory
// huge pages map.

"use strict";
const { execFileSync } = require("child_process");
const fs = require("fs");
const http = require("http");

const socketPath = process.argv[2];
const say = (text) => fs.writeFileSync("/dev/kmsg", `microvm: ${text}\n`);

const server = http.createServer((request, response) => {
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ path: request.url, node: process.version }));
});

function count() {
    say("ready");
    for (const [, name, value] of fs.readFileSync("/proc/vmstat", "latin1").matchAll(/^(pgfault|pgmajfault) (\d+)/gm)) {
        say(`count ${name} ${value}`);
    }
    say(`count ran ${/^cpu0 .*/m.exec(fs.readFileSync("/proc/schedstat", "latin1"))[0].split(" ")[7]}`);
    const memory = Object.fromEntries(
        [...fs.readFileSync("/proc/meminfo", "latin1").matchAll(/^(\w+): *(\d+) kB/gm)].map(([, name, kib]) => [name, 1024 * kib]));
    say(`count free ${memory.MemFree}`);
    say(`count page_cache ${memory.Cached - memory.Shmem}`);
    say(`count huge ${execFileSync("perl", ["/srv/huge.pl", process.pid], { encoding: "latin1" }).trim()}`);
}

server.listen(socketPath, () => {
    http.get({ socketPath, path: "/page" }, (response) => {
        let text = "";
        response.on("data", (part) => { text += part; });
        response.on("end", () => {
            if (JSON.parse(text).path !== "/page") {
                process.exit(1);
            }
            count();
            server.close();
        });
    });
});
