//! Which stores may be named, and that no password of theirs is shown.

use super::super::*;
use super::{check_refused, file, lines};

#[test]
fn a_store_in_memory_is_a_warning_and_prod_refuses_it() {
    let words = "a store in memory: everything is forgotten at the end | prod refuses it: what was acknowledged would be gone with the process | `sqlite://PATH` or `postgres://…`";
    for url in ["sqlite::memory:", "sqlite://:memory:"] {
        let config = file(&format!("store.url = '{url}'")).unwrap();
        assert_eq!(config.store.url.engine(), Engine::Memory);
        assert_eq!(
            lines(&config.warnings()),
            [format!("zupa.toml:1:13: store.url: {words}")]
        );
        check_refused(
            &format!("profile = 'prod'\nchannel = []\nstore.url = '{url}'"),
            &[&format!("zupa.toml:3:13: store.url: {words}")],
        );
    }
}

#[cfg(not(feature = "postgres"))]
#[test]
fn a_store_that_is_not_compiled_in_is_refused_by_the_name_of_its_feature() {
    for url in [
        "postgres://u:canary@h/db",
        "postgresql://h/db",
        "postgres:x",
    ] {
        check_refused(
            &format!("store.url = '{url}'"),
            &[
                "zupa.toml:1:13: store.url: this zupa was built without the feature postgres | it knows one store, a SQLite file | build it with the feature, as in `cargo install zupa --features postgres`, or keep the store in `sqlite://PATH`",
            ],
        );
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use super::*;

    const LITERAL: &str = "a password in the URL | prod refuses it: whoever reads the configuration has the secret | leave it out of the URL, and name its place in store.password: `env:NAME`, `file:PATH` or `exec:COMMAND`";

    #[test]
    fn a_password_in_the_url_is_a_warning_that_prod_refuses_and_nobody_shows() {
        let text = "channel = []\nstore.url = 'postgres://zupa:canary@h:1/db'\n";
        let config = file(text).unwrap();
        assert_eq!(
            lines(&config.warnings()),
            [format!("zupa.toml:2:13: store.url: {LITERAL}")]
        );
        assert_eq!(
            config.show()["values"]["store.url"]["value"],
            "postgres://zupa:***@h:1/db"
        );
        for printed in [
            format!("{config:?}"),
            config.show().to_string(),
            format!("{:?}", config.rows()),
        ] {
            assert!(!printed.contains("canary"), "{printed}");
        }
        check_refused(
            &format!("profile = 'prod'\n{text}"),
            &[&format!("zupa.toml:3:13: store.url: {LITERAL}")],
        );
    }

    #[test]
    fn a_password_by_reference_is_good_in_prod() {
        let text = "profile = 'prod'\nchannel = []\n[store]\nurl = 'postgres://zupa@h/db'\npassword = 'env:DB'\npooled = true\n";
        let config = file(text).unwrap();
        assert_eq!(config.store.url.engine(), Engine::Postgres);
        assert!(config.store.pooled);
        assert!(config.warnings().is_empty());
    }

    #[test]
    fn two_passwords_are_one_too_many() {
        check_refused(
            "[store]\nurl = 'postgres://u:canary@h/db'\npassword = 'env:DB'",
            &[
                "zupa.toml:3:12: store.password: there is a password in store.url, too | nobody can tell which of the two is meant | take it out of the URL",
            ],
        );
    }

    #[test]
    fn urls_that_cannot_be_used_say_why_and_do_not_show_the_password() {
        let fix = "for example `postgres://zupa@db.example.com:5432/zupa?sslmode=verify-full`, and the password in `store.password`";
        let escape = "a character that must be escaped | in a user, password or database `@ / ? #` are written `%40 %2F %3F %23`";
        let parts = "expected `postgres://`, a user, `@`, a host, `/` and a database";
        for (url, flaw) in [
            ("postgres://u:can/ary@h/db", escape.to_owned()),
            ("postgres://u:can@ary@h/db", escape.to_owned()),
            ("postgres://u:canary@h/db#x", escape.to_owned()),
            ("postgres://u:canary@h/db?options=a@b", escape.to_owned()),
            (
                "postgres://u@h/db?password=canary",
                "a password among the parameters | parameters are shown; secrets go by reference"
                    .to_owned(),
            ),
            ("postgres:///db", format!("no host | {parts}")),
            (
                "postgres://u:canary@h:port/db",
                format!("not the URL of a Postgres database | {parts}, and known parameters"),
            ),
        ] {
            check_refused(
                &format!("store.url = '{url}'"),
                &[&format!("zupa.toml:1:13: store.url: {flaw} | {fix}")],
            );
        }
    }
}
