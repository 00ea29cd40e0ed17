//! The command line: arguments in, one command, an exit code out.

mod arguments;
mod assemble;
mod audit;
mod breakers;
mod channels;
mod check;
mod conversations;
mod db;
mod dlq;
mod doctor;
mod environment;
mod failure;
#[cfg(feature = "faults")]
mod faults;
mod files;
mod graph;
mod logs;
mod machine;
mod operator;
mod pairing;
mod print;
mod reviews;
mod serve;
mod sessions;
#[cfg(feature = "whatsapp-cloud")]
mod sim;
#[cfg(feature = "faults")]
mod sink;
mod source;
mod store;
mod token;
mod tools;
mod turn;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use arguments::{Arguments, Command};
pub use failure::{Code, Failure};

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            let asked_for = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            return if asked_for {
                Code::Ok.into()
            } else {
                Code::Usage.into()
            };
        }
    };
    match dispatch(&arguments) {
        Ok(code) => code.into(),
        Err(failure) => {
            failure.print(arguments.json());
            failure.code().into()
        }
    }
}

fn dispatch(arguments: &Arguments) -> Result<Code, Failure> {
    let global = &arguments.global;
    match &arguments.command {
        Command::Dev(run) => on_threads(serve::dev(global, run)),
        Command::Serve(run) => on_threads(serve::serve(global, run)),
        Command::Config { command } => check::config(global, command),
        Command::Turn { command } => on_one_thread(turn::turn(global, command)),
        Command::Reviews { command } => on_one_thread(reviews::reviews(global, command)),
        Command::Conversations { command } => {
            on_one_thread(conversations::conversations(global, command))
        }
        Command::Sessions { command } => on_one_thread(sessions::sessions(global, command)),
        Command::Doctor(doctor) => on_one_thread(doctor::doctor(global, doctor)),
        Command::Breaker { command } => on_one_thread(breakers::breakers(global, command)),
        Command::Channels { command } => on_one_thread(channels::channels(global, command)),
        Command::Audit { command } => on_one_thread(audit::audit(global, command)),
        Command::Dlq { command } => on_one_thread(dlq::dlq(global, command)),
        Command::Graph => on_one_thread(graph::graph(global)),
        Command::Db { command } => on_one_thread(db::db(global, command)),
        #[cfg(feature = "whatsapp-cloud")]
        Command::Sim { command } => on_threads(sim::sim(global, command)),
        Command::Bench(bench) => {
            global.reads_none("zupa bench", "it measures the path with limits off")?;
            crate::bench::run(bench)
        }
        Command::Version(output) => print::version(output.json),
    }
}

fn on_threads(command: impl Future<Output = Result<Code, Failure>>) -> Result<Code, Failure> {
    block_on(tokio::runtime::Builder::new_multi_thread(), command)
}

fn on_one_thread(command: impl Future<Output = Result<Code, Failure>>) -> Result<Code, Failure> {
    block_on(tokio::runtime::Builder::new_current_thread(), command)
}

fn block_on(
    mut builder: tokio::runtime::Builder,
    command: impl Future<Output = Result<Code, Failure>>,
) -> Result<Code, Failure> {
    let runtime = builder.enable_all().build().map_err(|error| {
        Failure::new(Code::Temporary, "no threads could be started").because(error)
    })?;
    let result = runtime.block_on(command);
    // What is still blocked in the kernel must not hold the exit up.
    runtime.shutdown_background();
    result
}
