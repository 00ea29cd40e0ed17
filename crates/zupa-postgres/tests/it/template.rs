//! A database that holds the schema already, which tests copy instead of migrating
//! one of their own.
//!
//! There is one for each set of migrations, and it stays on its server: tests are
//! processes that know nothing of each other. It has its name once it is whole; a
//! maker that dies leaves one by another name, which the next maker removes.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Result};
use zupa_core::Digest;
use zupa_postgres::migrations;

/// SQLSTATE: there is no database of this name.
const NO_DATABASE: &str = "3D000";

/// The database to copy.
pub struct Template {
    name: String,
}

impl Template {
    /// The one that has the schema of this build.
    pub fn of_this_build() -> Self {
        let sql: String = migrations().iter().map(|one| one.sql.as_str()).collect();
        let digest = Digest::of(sql.as_bytes()).to_hex();
        Self {
            name: format!("zupa_template_{}", &digest[..16]),
        }
    }

    /// Makes a database that is a copy, and before it the template if nobody has:
    /// `fill` is given the name of an empty database and leaves no connection to it.
    pub async fn copy(&self, server: &mut PgConnection, to: &str, fill: impl AsyncFnOnce(&str)) {
        let copy = format!("CREATE DATABASE {to} TEMPLATE {}", self.name);
        match run(server, &copy).await {
            Err(sqlx::Error::Database(said)) if said.code().as_deref() == Some(NO_DATABASE) => {}
            made => return made.unwrap(),
        }
        let lock = format!("SELECT pg_advisory_lock(hashtext('{}'))", self.name);
        run(server, &lock).await.unwrap();
        if !self.is_there(server).await {
            self.make(server, fill).await;
        }
        let unlock = format!("SELECT pg_advisory_unlock(hashtext('{}'))", self.name);
        run(server, &unlock).await.unwrap();
        run(server, &copy).await.unwrap();
    }

    async fn is_there(&self, server: &mut PgConnection) -> bool {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)")
            .bind(&self.name)
            .fetch_one(server)
            .await
            .unwrap()
    }

    async fn make(&self, server: &mut PgConnection, fill: impl AsyncFnOnce(&str)) {
        let unfinished = format!("{}_unfinished", self.name);
        let remove = format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)");
        run(server, &remove).await.unwrap();
        run(server, &format!("CREATE DATABASE {unfinished}"))
            .await
            .unwrap();
        fill(&unfinished).await;
        // Nobody can change it any more, and nobody's connection is in a copy's way.
        for change in [
            "ALLOW_CONNECTIONS false",
            &format!("RENAME TO {}", self.name),
        ] {
            run(server, &format!("ALTER DATABASE {unfinished} {change}"))
                .await
                .unwrap();
        }
    }
}

async fn run(server: &mut PgConnection, sql: &str) -> Result<()> {
    server
        .execute(AssertSqlSafe(sql.to_owned()))
        .await
        .map(drop)
}

mod tests {
    use sqlx::Connection;
    use zupa_postgres::schema_version;

    use super::*;
    use crate::support::{Database, migrate, server, url_on};

    /// Tests that start at once on a server without a template make one of it, and
    /// each gets a whole copy; one that was left half made is not copied.
    #[tokio::test]
    async fn a_template_is_made_once_and_never_copied_half_made() {
        let Some(server) = server() else { return };
        let place = Database::unmade(&server);
        let copy_to = |copy: &Database| {
            let template = Template {
                name: place.name().to_owned(),
            };
            (template, server.clone(), copy.name().to_owned())
        };

        let never = Database::unmade(&server);
        let (template, at, to) = copy_to(&never);
        let died = tokio::spawn(async move {
            let mut connection = PgConnection::connect(&at).await.unwrap();
            let fill = async |database: &str| {
                let url = url_on(&at, database);
                let mut inside = PgConnection::connect(&url).await.unwrap();
                run(&mut inside, "CREATE SCHEMA zupa").await.unwrap();
                panic!("the maker dies");
            };
            template.copy(&mut connection, &to, fill).await;
        });
        assert!(died.await.unwrap_err().is_panic());

        let copies: Vec<_> = (0..6).map(|_| Database::unmade(&server)).collect();
        let making = copies.iter().map(copy_to).map(|(template, at, to)| {
            tokio::spawn(async move {
                let mut filled = 0;
                let mut connection = PgConnection::connect(&at).await.unwrap();
                let fill = async |database: &str| {
                    filled += 1;
                    migrate(&url_on(&at, database)).await;
                };
                template.copy(&mut connection, &to, fill).await;
                filled
            })
        });
        let mut filled = 0;
        for made in making.collect::<Vec<_>>() {
            filled += made.await.unwrap();
        }
        assert_eq!(filled, 1);
        let newest = migrations().iter().map(|one| one.version).max();
        for copy in &copies {
            let version = schema_version(&copy.config()).await.unwrap();
            assert_eq!(version, newest, "{}", copy.name());
        }
    }
}
