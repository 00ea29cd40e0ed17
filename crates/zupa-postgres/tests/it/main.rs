//! Tests of the Postgres adapter, against a real server: the one that
//! `ZUPA_TEST_POSTGRES_URL` names, where the role may make databases.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

mod contract;
mod hints;
mod holds;
mod links;
mod migrating;
mod news;
mod outages;
mod packed;
mod path;
mod relay;
mod replicas;
mod says;
mod support;
mod template;
mod upgrading;
mod waits;
mod wakes;
