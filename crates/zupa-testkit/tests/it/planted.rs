//! The suite fails when it should: each planted defect is found, by the case
//! that names the promise it breaks.

use zupa_testkit::Planted;
use zupa_testkit::contract::run_all;

use crate::memory::Memory;

async fn is_found_by(defect: Planted, cases: &[&str]) {
    let report = run_all(&Memory::with(defect)).await;
    for case in cases {
        assert!(report.is_broken(case), "{case} missed {defect:?}: {report}");
    }
}

#[tokio::test]
async fn a_duplicate_taken_as_new_is_found() {
    let cases = [
        "accept::accept_once_under_64_concurrent_deliveries",
        "accept::duplicates_inside_one_batch",
        "ids::ids_decide_to_the_last_character",
        "walk::generated_histories_lose_and_double_nothing",
    ];
    is_found_by(Planted::DuplicateAsNew, &cases).await;
}

#[tokio::test]
async fn a_dedupe_key_without_tenant_is_found() {
    let cases = [
        "accept::same_id_two_tenants_are_two_messages",
        "ids::ids_decide_to_the_last_character",
    ];
    is_found_by(Planted::KeyWithoutTenant, &cases).await;
}

#[tokio::test]
async fn a_commit_without_the_epoch_check_is_found() {
    let cases = [
        "commit::stale_epoch_cannot_commit",
        "commit::a_voided_claim_cannot_commit",
        "settle::late_writer_settles_but_cannot_commit",
    ];
    is_found_by(Planted::CommitWithoutEpoch, &cases).await;
}

#[tokio::test]
async fn an_outbox_row_before_the_fence_is_found() {
    let cases = [
        "commit::stale_epoch_cannot_commit",
        "commit::commit_is_idempotent_by_turn",
        "walk::generated_histories_lose_and_double_nothing",
    ];
    is_found_by(Planted::OutboxBeforeFence, &cases).await;
}

#[tokio::test]
async fn a_broken_order_is_found() {
    let cases = [
        "burst::coalescing_five_messages_are_one_claim_in_order",
        "walk::generated_histories_lose_and_double_nothing",
    ];
    is_found_by(Planted::OrderBroken, &cases).await;
}

#[tokio::test]
async fn every_other_defect_is_found() {
    let expected = [
        (
            Planted::HolderIgnored,
            "claim::only_one_holder_under_64_claimers",
        ),
        (
            Planted::RangeGrows,
            "claim::rerun_takes_exactly_the_same_range_and_turn_id",
        ),
        (
            Planted::LanesWait,
            "doubt::lanes_do_not_wait_for_each_other",
        ),
        (
            Planted::DoubtForgotten,
            "doubt::a_resend_is_counted_as_possibly_doubled",
        ),
        (
            Planted::HastensAnything,
            "retry::a_model_that_is_back_hastens_what_waits_for_it",
        ),
        (
            Planted::PaceForgotten,
            "pace::what_is_too_early_waits_for_its_time",
        ),
        (Planted::SettleMovesBack, "settle::sent_is_never_undone"),
        (
            Planted::HeadNotCompared,
            "commit::head_moved_returns_the_head",
        ),
        (
            Planted::PurgeTakesOpen,
            "counts::purge_never_touches_open_rows_and_keeps_totals",
        ),
        (
            Planted::ReceiptGoesDown,
            "receipts::receipt_levels_only_go_up_in_any_order",
        ),
        (
            Planted::OldEchoHolds,
            "person::a_word_from_before_the_hand_back_takes_nothing",
        ),
        (
            Planted::FailedStatusIgnored,
            "receipts::a_failed_receipt_with_our_key_ends_what_has_no_answer",
        ),
        (
            Planted::EarlyNewsForgotten,
            "early::a_revoke_waits_for_its_message",
        ),
        (
            Planted::RenewsAnything,
            "claim::a_renewal_is_told_whether_the_claim_holds",
        ),
        (
            Planted::SuspicionIgnored,
            "recovery::a_suspect_is_told_the_mode_to_ask_in",
        ),
        (
            Planted::NumbersForgotten,
            "commit::a_repeated_end_is_told_what_it_was_told_before",
        ),
        (Planted::SayBeforeFence, "say::a_stale_run_says_nothing"),
        (
            Planted::SaidTwice,
            "say::a_step_recorded_twice_is_said_once",
        ),
        (
            Planted::StateBeforeFence,
            "state::a_stale_commit_leaves_the_state_alone",
        ),
        (Planted::NewerTaken, "state::a_newer_state_is_left_alone"),
        (
            Planted::RangeMixes,
            "internals::a_range_ends_before_an_internal_inbound",
        ),
        (
            Planted::DecidesTwice,
            "decisions::rival_deciders_have_one_winner",
        ),
        (Planted::SpeakerForgotten, "claim::a_claim_says_who_spoke"),
        (
            Planted::ClaimsTwice,
            "claims::rival_claimers_have_one_winner",
        ),
        (
            Planted::ClaimIgnored,
            "claims::what_somebody_has_claimed_nobody_else_decides",
        ),
        (
            Planted::ResumesEarly,
            "decisions::a_group_goes_on_when_nothing_of_it_is_open",
        ),
        (
            Planted::HoldIgnored,
            "holds::a_held_conversation_is_left_alone",
        ),
        (
            Planted::AsksUnderHold,
            "holds::a_running_turn_is_silenced_by_a_hold",
        ),
        (
            Planted::BacklogAnswered,
            "hand_back::a_hand_back_answers_no_backlog",
        ),
        (
            Planted::NoDeadLetters,
            "dead_letters::a_terminal_error_is_kept_at_the_first_attempt",
        ),
        (
            Planted::RedrivenTwice,
            "redrives::only_one_of_two_redrives_wins",
        ),
        (
            Planted::LeaseForEver,
            "idempotency::a_try_that_is_left_behind_ends_with_its_lease",
        ),
        (
            Planted::AnybodyKeeps,
            "idempotency::who_has_lost_the_key_keeps_and_frees_nothing",
        ),
    ];
    for (defect, case) in expected {
        is_found_by(defect, &[case]).await;
    }
}
