// An agent in Rust: usage: storm-rs PROGRAM COUNT cell|here. Starts COUNT commands from 16 threads
// with std::process, which uses posix_spawn and, with a pre_exec hook, fork and execve.
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

static NEXT: AtomicUsize = AtomicUsize::new(0);
static WRONG: AtomicUsize = AtomicUsize::new(0);
static ESCAPED: AtomicUsize = AtomicUsize::new(0);

fn one(program: &str, number: usize, own: &str, cell: bool) {
    let mut command = Command::new(program);
    command.arg(format!("job-{number}")).arg("").env("STORM", format!("env-{number}"));
    if number % 2 == 1 {
        unsafe { command.pre_exec(|| Ok(())) };
    }
    let out = command.output();
    let text = match &out {
        Ok(o) if o.status.success() => String::from_utf8_lossy(&o.stdout).to_string(),
        other => format!("{other:?}"),
    };
    match text.trim_end().strip_prefix(&format!("job-{number} env-{number} ")) {
        Some(ns) if (ns == own) == cell => ESCAPED.fetch_add(1, Ordering::SeqCst),
        Some(_) => 0,
        None => {
            eprintln!("job {number}: {text}");
            WRONG.fetch_add(1, Ordering::SeqCst)
        }
    };
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let total: usize = args[2].parse().unwrap();
    let own = std::fs::read_link("/proc/self/ns/mnt").unwrap().display().to_string();
    let cell = args[3] == "cell";
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| loop {
                let number = NEXT.fetch_add(1, Ordering::SeqCst);
                if number >= total {
                    return;
                }
                one(&args[1], number, &own, cell);
            });
        }
    });
    let (wrong, escaped) = (WRONG.load(Ordering::SeqCst), ESCAPED.load(Ordering::SeqCst));
    println!("{total} commands: {wrong} wrong, {escaped} in the wrong place");
    std::process::exit((wrong + escaped > 0) as i32);
}
