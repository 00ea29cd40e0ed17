//! A server of our own: what it promises to the tests that use it.

use std::net::TcpStream;

use super::*;

/// True when PostgreSQL is here; else says who is skipped, and fails under CI.
#[track_caller]
fn installed(test: &str) -> bool {
    if Postgres::find().is_some() {
        return true;
    }
    // Past the harness, which keeps what a passing test prints.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED {test}: PostgreSQL is not installed"
    );
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!ci, "{test} may not be skipped in CI");
    false
}

#[test]
fn what_was_committed_survives_an_immediate_stop() -> Result<()> {
    if !installed("what_was_committed_survives_an_immediate_stop") {
        return Ok(());
    }
    let postgres = Postgres::start()?;
    let url = postgres.create_database("first")?;
    let port = postgres.port();
    assert_eq!(url, format!("postgres://zupa@127.0.0.1:{port}/first"));
    postgres.psql("first", "create table t (n int, word text)")?;
    postgres.psql("first", "insert into t values (1, 'olá'), (2, null)")?;
    let first = postgres.postmaster()?;

    postgres.stop_immediate()?;
    assert!(postgres.postmaster().is_err());
    assert!(postgres.psql("first", "select 1").is_err());

    postgres.start_again()?;
    assert_ne!(postgres.postmaster()?, first);
    assert_eq!(
        postgres.psql("first", "select * from t order by n")?,
        "1|olá\n2|"
    );

    let folder = postgres.folder().to_owned();
    assert!(folder.join("log").is_file());
    drop(postgres);
    assert!(!folder.exists());
    Ok(())
}

#[test]
fn it_is_durable_and_the_role_is_no_superuser() -> Result<()> {
    if !installed("it_is_durable_and_the_role_is_no_superuser") {
        return Ok(());
    }
    let postgres = Postgres::start()?;
    postgres.create_database("zupa")?;
    let ask = |sql: &str| postgres.psql("zupa", sql);
    assert_eq!(ask("show fsync")?, "on");
    assert_eq!(ask("show synchronous_commit")?, "on");
    assert_eq!(ask("show server_encoding")?, "UTF8");
    assert_eq!(ask("show listen_addresses")?, "127.0.0.1");
    assert_eq!(
        ask("select rolsuper, rolcreatedb from pg_roles where rolname = 'zupa'")?,
        "f|t"
    );
    assert_eq!(
        ask(
            "select rolname from pg_roles r join pg_database d on d.datdba = r.oid \
             where datname = 'zupa'"
        )?,
        "zupa"
    );
    let message = format!("{:#}", ask("select nothing").unwrap_err());
    assert!(message.contains("column \"nothing\""), "{message}");
    assert!(postgres.create_database("a; drop").is_err());
    Ok(())
}

#[test]
fn a_paused_server_is_stopped_with_its_owner() -> Result<()> {
    if !installed("a_paused_server_is_stopped_with_its_owner") {
        return Ok(());
    }
    let postgres = Postgres::start()?;
    let pid = rustix::process::Pid::from_raw(postgres.postmaster()?).context("a process id")?;
    rustix::process::kill_process(pid, rustix::process::Signal::STOP)?;
    let (folder, port) = (postgres.folder().to_owned(), postgres.port());
    drop(postgres);
    assert!(!folder.exists());
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    Ok(())
}
