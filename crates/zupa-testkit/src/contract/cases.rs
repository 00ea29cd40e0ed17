//! The list of promises. A case that is not here is not run.

use super::Case;

/// Every promise, in the order of the path.
pub const CASES: &[Case] = crate::each!(@cases);

/// One `#[tokio::test]` per promise, named as the promise, in one module per
/// stop. The argument makes a [`Harness`](crate::contract::Harness); it is
/// evaluated once per test.
///
/// ```ignore
/// zupa_testkit::contract::each!(MyHarness::new());
/// ```
#[macro_export]
macro_rules! each {
    (@cases) => { $crate::each!(@list cases ()) };
    (@list $what:ident $harness:tt) => {
        $crate::each! { @$what $harness
            accept {
                accept_once_under_64_concurrent_deliveries
                duplicates_inside_one_batch
                same_id_other_content_is_conflict
                same_id_two_tenants_are_two_messages
                same_id_two_channels_are_two_messages
                same_id_two_scopes_are_two
                numbers_are_dense_per_conversation_and_in_batch_order
                expired_is_written_as_ended
                ids_are_known_after_the_answer_and_after_a_death
                contents_come_back_as_they_came
            }
            ids {
                identical_texts_with_different_ids_are_two_messages
                ids_decide_to_the_last_character
                nul_is_refused_in_ids_and_kept_in_texts
            }
            alias {
                aliases_lead_to_one_conversation
                aliases_of_a_batch_lead_to_one_conversation
                an_alias_revealed_by_a_duplicate_is_kept
                a_duplicate_under_an_unknown_alias_opens_no_conversation
                aliases_of_two_conversations_merge_nothing
                a_conflict_reveals_no_alias
            }
            burst {
                coalescing_five_messages_are_one_claim_in_order
                a_window_closes_by_count
                a_window_closes_by_silence
                a_window_closes_by_its_longest_wait
                a_message_during_a_turn_waits_for_the_next
                a_window_outlives_a_death
                a_window_does_not_delay_a_retry
            }
            claim {
                only_one_holder_under_64_claimers
                a_claim_hands_over_what_a_turn_needs
                a_claim_says_who_spoke
                nothing_pending_is_nothing_to_claim
                what_is_due_says_whose_it_is
                claim_not_before_due
                expired_claim_is_taken_over_with_a_higher_epoch
                rerun_takes_exactly_the_same_range_and_turn_id
                renew_extends_only_own_epoch
                an_expired_claim_that_nobody_took_still_commits
                due_lists_longest_due_first
                a_fresh_turn_id_is_kept_only_without_an_open_turn
                a_renewal_is_told_whether_the_claim_holds
                a_claim_taken_over_fences_the_run_before
            }
            journal {
                recorded_steps_come_back_at_the_next_run
                a_step_recorded_again_is_one_step
                stale_epoch_cannot_record
                runs_counts_starts_failures_counts_errors
                provider_failure_counts_no_failure
            }
            intents {
                an_intent_without_a_result_survives_a_death
                a_result_fills_its_intent
                an_intent_and_its_result_may_share_a_batch
                a_recorded_result_stays
                another_input_replaces_the_step
                steps_come_in_the_order_of_the_journal
                a_stale_run_can_note_nothing
            }
            say {
                side_messages_come_before_the_rows_of_the_commit
                side_messages_are_lines_and_no_history
                side_messages_survive_a_death
                a_step_recorded_twice_is_said_once
                a_filled_intent_says_once
                a_stale_run_says_nothing
                a_repeated_commit_is_told_its_own_rows_only
                side_messages_are_delivered_in_order
                a_side_message_that_fails_cancels_nothing
                a_turn_that_gives_up_has_said_what_it_said
            }
            commit {
                a_commit_ends_the_range_and_writes_the_outbox
                an_end_without_an_answer_has_a_reason
                stale_epoch_cannot_commit
                a_voided_claim_cannot_commit
                a_released_claim_cannot_commit
                commit_is_idempotent_by_turn
                a_repeated_end_is_told_what_it_was_told_before
                what_a_batch_accepts_beside_a_commit_is_due
                commit_is_all_or_nothing
                head_moved_returns_the_head
                audit_chain_verifies
                a_batch_records_before_it_ends
                a_commit_of_many_rows_keeps_their_order
            }
            state {
                the_last_state_is_handed_out
                a_stale_commit_leaves_the_state_alone
                a_state_outlives_failures
                a_newer_state_is_left_alone
                an_offer_does_not_take_a_newer_state
            }
            decisions {
                a_parked_turn_frees_its_conversation
                waits_are_kept_as_they_were_opened
                a_decision_lets_the_parked_turn_go_on_once
                rival_deciders_have_one_winner
                only_decisions_are_decided
                a_decision_is_in_the_audit_chain
                a_decision_beside_a_running_turn_queues_behind_it
                a_group_goes_on_when_nothing_of_it_is_open
                a_commit_opens_its_waits_once
                a_resumed_turn_is_a_turn_like_any_other
            }
            claims {
                a_claim_keeps_others_away_until_it_is_over
                what_somebody_has_claimed_nobody_else_decides
                rival_claimers_have_one_winner
                only_open_decisions_are_claimed
                a_claim_is_in_the_audit_chain
            }
            internals {
                a_range_ends_before_an_internal_inbound
                an_offer_takes_the_head_of_the_line
                internal_inbounds_are_claimed_one_by_one
                a_split_range_keeps_its_place_before_an_internal_inbound
                an_internal_inbound_closes_the_window_before_it
                a_window_behind_a_turn_is_closed_as_well
                internal_inbounds_are_counted_and_not_shown
                a_platform_may_use_the_same_id
                a_turn_without_words_keeps_its_place
            }
            replies {
                the_next_message_is_handed_the_reply_waits
                what_came_before_the_question_is_no_answer
                an_offer_is_handed_the_reply_waits
                only_reply_waits_take_a_message
                an_answer_must_come_in_time
                an_unanswered_wait_ends_once
                an_answer_in_time_is_not_beaten_by_the_time
                a_commit_settles_only_what_is_open_and_its_own
                a_failed_run_leaves_the_waits_open
            }
            timers {
                a_timer_fires_once
                timers_fire_in_the_order_of_their_times
                what_runs_out_is_settled_longest_due_first
                a_conversation_with_an_open_turn_is_left_for_later
                a_decision_may_come_too_late
                a_group_that_runs_out_together_goes_on_once
                a_cancelled_timer_does_not_fire
                a_claim_that_ran_out_keeps_the_waits
            }
            retry {
                retry_blocks_later_inbounds_until_not_before
                a_retry_keeps_its_time_over_a_death
                split_then_one_by_one_then_normal_again
                a_claim_says_what_a_turn_has_had_before
                dead_only_the_failing_one_and_conversation_goes_on
                release_counts_no_failure
                a_model_that_is_back_hastens_what_waits_for_it
            }
            recovery {
                recovery_resumes_same_range
                recovery_marks_suspects
                a_suspect_at_a_death_runs_alone
                a_suspect_that_did_not_run_stays_suspect
                three_deaths_alone_are_dead_lettered_as_crashed
                a_crashed_claim_of_several_is_tried_one_by_one
                a_clean_close_leaves_no_suspects
                a_waiting_turn_is_no_suspect
                recover_is_safe_to_call_again
                a_heartbeat_is_only_a_sign_of_life
                a_suspect_is_told_the_mode_to_ask_in
                a_suspect_that_came_back_is_none_any_more
                the_desk_shows_the_process_and_how_it_ended
            }
            delivery {
                at_commit_rows_are_sent
                queued_then_attempt_then_sent
                a_row_written_as_sending_is_its_first_attempt
                attempt_granted_once
                order_head_of_line_per_conversation
                doors_are_listed_apart
                retryable_failure_blocks_those_behind
                in_doubt_blocks_until_settled
                unknown_lets_the_rest_go
                terminal_failure_cancels_later_parts_of_the_same_turn_only
                an_unanswered_attempt_is_listed_as_in_doubt
                sending_at_death_is_in_doubt_after_recover
            }
            doubt {
                lanes_do_not_wait_for_each_other
                an_attempt_says_when_it_was_made
                a_resend_is_counted_as_possibly_doubled
                what_stays_unknown_is_a_dead_letter_until_evidence_comes
                a_late_delivery_waits_for_nothing_and_keeps_nothing_waiting
                a_receipt_finds_a_late_delivery_by_our_key
            }
            pace {
                what_is_too_early_waits_for_its_time
                a_pace_is_of_one_conversation
                a_burst_outlives_the_process
                a_hold_counts_more_than_a_pace
                replies_are_listed_first
            }
            window {
                it_closes_to_the_second
                the_platforms_time_counts_and_the_newest_word
                what_waits_for_the_person_is_left_alone_until_something_is_heard
                what_has_waited_for_long_enough_fails
                waits_of_a_lane_do_not_add_up
                templates_leave_from_behind_what_waits
                what_may_not_leave_ends_without_an_attempt
                whoever_is_heard_is_written_to_whatever_stands_at_the_end
                what_is_dropped_is_no_dead_letter
            }
            settle {
                late_writer_settles_but_cannot_commit
                sent_is_never_undone
                a_late_sent_outweighs_every_guess
                an_earlier_attempt_does_not_move_a_later_one
                failed_cancelled_and_unknown_stay
                an_answer_that_others_went_past_changes_nothing
                a_batch_settles_before_it_attempts
            }
            receipts {
                receipt_after_settle_raises_the_level
                receipt_before_settle_is_kept_and_joined
                receipt_levels_only_go_up_in_any_order
                receipt_with_our_key_settles_in_doubt_as_sent
                receipt_with_our_key_spares_the_second_send
                a_failed_receipt_with_our_key_ends_what_has_no_answer
                a_failed_receipt_ends_nothing_else
                receipts_stay_within_their_channel
                edit_changes_only_unclaimed_inbounds
                revoke_ends_only_unclaimed_inbounds
            }
            early {
                an_edit_waits_for_its_message
                a_revoke_waits_for_its_message
                a_batch_may_hold_a_message_and_its_news
                the_newest_edit_counts_in_any_order
                edits_without_a_time_count_as_they_come
                early_news_stays_within_its_channel
                early_news_expires
                a_message_beside_its_revoke_is_revoked
            }
            person {
                a_humans_word_takes_the_conversation
                a_humans_word_begins_a_conversation
                an_echo_of_our_own_send_takes_nothing
                a_word_from_before_the_hand_back_takes_nothing
                one_person_by_many_addresses_is_one_conversation
                replies_go_where_the_newest_message_came_from
                a_conflict_of_addresses_merges_nothing
                what_nobody_wants_to_hear_is_cancelled
            }
            batch {
                an_empty_batch_changes_nothing
                one_bad_item_fails_alone
                a_claim_sees_what_its_batch_accepted
                an_offer_takes_what_the_batch_accepted
                an_offer_takes_only_what_a_new_turn_may_have
                rivals_in_one_batch_have_one_winner
                answers_keep_the_order_of_their_list
            }
            rivals {
                two_calls_in_different_order_both_succeed
                numbers_are_gapless_under_two_accepting_tasks
                one_id_through_two_calls_is_accepted_once
                a_message_beside_a_commit_is_never_forgotten
                a_late_commit_and_a_takeover_have_one_winner
                rivals_for_an_attempt_have_one_winner
                a_status_beside_its_settlement_is_joined
                a_bad_item_fails_alone_beside_rivals
            }
            counts {
                counts_obey_invariant_7
                purge_never_touches_open_rows_and_keeps_totals
                a_purged_id_is_new_again_or_expired
                a_purge_is_bounded
            }
            reads {
                history_is_oldest_first_and_bounded
                history_follows_the_turns
                lines_resume_after_a_number
                turn_view_by_turn_event_and_platform_id
                an_id_of_several_messages_answers_for_none
                the_store_describes_itself
            }
            large {
                steps_states_and_waits_come_back_as_they_came
                payloads_are_kept_to_the_bit
            }
            walk {
                generated_histories_lose_and_double_nothing
            }
            holds {
                a_held_conversation_is_left_alone
                a_running_turn_is_silenced_by_a_hold
                a_silenced_end_that_comes_again_is_told_so
                a_hold_cancels_what_was_not_sent
                what_comes_back_after_a_hold_is_not_sent
                a_hold_cancels_questions_and_keeps_the_rest
                only_what_is_held_is_handed_back
                holds_are_in_the_audit
                operators_see_conversations
            }
            hand_back {
                a_hand_back_answers_no_backlog
                the_humans_last_word_is_the_line
                a_hand_back_ends_a_turn_that_waits_to_run_again
                a_hand_back_without_a_word_leaves_the_turn_to_run
                a_hand_back_leaves_what_nobody_has_said
                what_has_begun_ends_in_silence
                the_parts_of_a_silenced_turn_are_silent
                the_parts_of_a_silenced_turn_are_silent_after_a_death
            }
            idle {
                a_wake_comes_once_at_its_time
                a_commit_moves_the_wake
                a_wake_waits_for_quiet
                a_wake_outlives_a_death
                a_wake_is_no_answer
                an_operator_ends_a_session
            }
            dead_letters {
                what_gives_up_is_kept_with_every_attempt
                a_letter_names_the_request_the_turn_and_the_door
                a_terminal_error_is_kept_at_the_first_attempt
                a_turn_that_crashed_is_kept
                poison_and_discarded_are_left_alone
                filters_and_counts_agree
                only_what_has_ended_is_forgotten
                failures_that_came_to_nothing_are_forgotten
                nothing_is_evicted
            }
            unread {
                what_no_door_can_read_is_kept_to_the_bit
                what_no_door_can_read_is_taken_alone
                what_no_door_can_read_is_not_edited
                what_no_door_can_read_goes_with_its_letter
            }
            failures {
                a_turn_shows_what_went_wrong_before_it_ended_well
                an_inbound_shows_the_failures_of_the_turn_before
                a_turn_shows_the_attempts_of_its_deliveries_that_failed
            }
            acts {
                acts_on_the_installation_are_a_chain_of_their_own
                acts_at_once_are_all_kept
            }
            redrives {
                the_others_of_a_burst_are_answered_and_the_dead_one_comes_back_at_the_end
                what_dies_again_is_the_same_dead_letter
                what_is_turned_away_waits_again
                effects_that_matter_ask_for_a_confirmation
                an_edit_changes_the_words
                of_what_nobody_has_said_a_reminder_comes_back_alone
                only_one_of_two_redrives_wins
                a_failed_delivery_goes_out_late
                what_may_have_left_asks_for_a_confirmation
                a_late_delivery_that_is_held_back_waits_again
                what_a_human_has_replied_to_asks_for_a_confirmation
                what_came_after_the_humans_word_needs_no_confirmation
                what_fails_after_a_takeover_asks_for_a_confirmation
                what_a_human_answers_is_done
            }
            late {
                a_sent_of_an_attempt_that_failed_settles_nothing_later
                a_sent_of_the_new_attempt_settles_it
                what_nobody_asked_for_stays_so_when_it_is_sent_again
            }
            wakes {
                generated_waits_go_on_once
            }
            idempotency {
                an_act_is_begun_once_and_its_answer_kept
                of_many_tries_at_once_one_begins
                another_request_is_told_so
                a_failure_frees_the_key
                a_try_that_is_left_behind_ends_with_its_lease
                who_has_lost_the_key_keeps_and_frees_nothing
                an_answer_is_kept_for_its_time_and_then_forgotten
                an_answer_outlives_a_death
            }
        }
    };
    (@cases () $($stop:ident { $($promise:ident)* })*) => {
        &[$($($crate::contract::Case {
            name: concat!(stringify!($stop), "::", stringify!($promise)),
            check: |harness| ::std::boxed::Box::pin($crate::contract::$stop::$promise(harness)),
        },)*)*]
    };
    (@tests ($harness:expr) $($stop:ident { $($promise:ident)* })*) => {
        $(mod $stop {
            #[allow(unused_imports, reason = "the harness may be named by a full path")]
            use super::*;
            $(
                #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    let harness = $harness;
                    $crate::contract::kept($crate::contract::$stop::$promise(&harness)).await;
                }
            )*
        })*
    };
    ($harness:expr) => { $crate::each!(@list tests ($harness)); };
}
