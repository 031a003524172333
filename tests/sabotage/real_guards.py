"""Guards that exist only in the real components: processes, files, locks, sandboxes, signatures. A test detects
each."""

from __future__ import annotations

from tests.sabotage.guards import Guard, Patch

LIFECYCLE, FILE_BACKEND = "stacks/operations/lifecycle.py", "stacks/backends/file/file_backend.py"
CRASHES, CONTRACT = "tests/stacks/executors/test_crashes.py", "tests/contracts/test_executors.py"
INVENTORY = "stacks/backends/inventory.py"

NO_SESSION_CLEANUP = Patch(
    "stacks/executors/process/warm_workers.py",
    "        members = process_identity.session_members(process.pid)",
    "        members: list[int] = []",
)

FILES = (
    Guard(
        "a lock is taken over only from an owner who is proven dead", "overlaps",
        (Patch("stacks/backends/pulumi_locks.py", "owner_dead=_is_owner_dead(data, taken, lookup)", "owner_dead=True"),),
        test="tests/stacks/backends/test_locks.py::test_lock_from_another_host_is_not_dead",
    ),
    Guard(
        "a lock that cannot be read counts as held", "overlaps",
        (Patch("stacks/backends/pulumi_locks.py", "datetime.fromtimestamp(0, UTC), owner_dead=False)", "datetime.fromtimestamp(0, UTC), owner_dead=True)"),),
        test="tests/stacks/backends/test_locks.py::test_truncated_lock_counts_as_held",
    ),
    Guard(
        "a state that cannot be read is not absent", "lost",
        (Patch(INVENTORY, "            return _CacheEntry(None, StackRecord(ref, history=self._history(ref), unreadable=reason))", "            return None"),),
        test="tests/stacks/backends/test_inventory.py::test_corrupt_state_hides_no_other_stack", expected_output="Error",
    ),
    Guard(
        "a store that is not mounted is not empty", "lost",
        (Patch(FILE_BACKEND, "            (self.root if self.was_used else self.root.parent).stat()\n", ""),),
        test="tests/stacks/backends/test_inventory.py::test_unused_backend_is_empty_and_missing_backend_is_unknown",
    ),
    Guard(
        "a webhook must carry the signature of its body", "secrets",
        (Patch("orchestrator/forges/github/webhooks/webhook_events.py", "    return hmac.compare_digest(sign(secret, body).encode(), signature.encode())", "    return True"),),
        test="tests/forges/github/test_webhook_signatures.py::test_invalid_signature_is_rejected",
    ),
    Guard(
        "passwords are taken out of what people are told", "secrets",
        (Patch("programs/redaction.py", "    return _PASSWORD.sub(rf\"\\1{MASK}@\", text)", "    return text"),),
        test="tests/targets/local/test_checkouts.py::test_password_of_a_clone_url_stays_off_command_lines_and_errors",
    ),
    Guard(
        "a preview gets nothing of the server's environment", "secrets",
        (Patch("programs/kit/processes/sandbox.py", "    clean = {**base_env(settings, workspace, how), **env}", "    clean = {**os.environ, **base_env(settings, workspace, how), **env}"),),
        test="tests/targets/local/test_names_and_settings.py::test_without_a_sandbox_the_environment_variables_are_still_clean",
    ),
    Guard(
        "an operation that heeds nothing is killed", "stuck",
        (Patch("stacks/executors/process/worker_protocol.py", "                process_identity.send_group_signal(self._worker.process.pid, signal.SIGKILL)", "                pass"),
         NO_SESSION_CLEANUP),
        test="tests/stacks/executors/test_worker_protocol.py::test_unresponsive_worker_is_killed", expected_output="TimeoutError",
    ),
    Guard(
        "one ephd for one home", "overlaps",
        (Patch("orchestrator/runtime/server/home_lock.py", "            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)", "            pass"),),
        test="tests/app/test_startup.py::test_second_ephd_on_one_home_is_refused", expected_output="",
    ),
)  # fmt: skip

PROCESSES = (
    Guard(
        "a killed worker takes all of its session with it", "leaks",
        (NO_SESSION_CLEANUP,),
        test=f"{CRASHES}::test_the_worker_is_killed",
    ),
    Guard(
        "what an earlier life left running is ended before anything is planned", "overlaps",
        (Patch("stacks/executors/process/recovery.py", "            kill_session(each)\n            _mark_cancelled", "            _mark_cancelled"),),
        test="tests/stacks/executors/test_recovery.py::test_single_replica_ends_unknown_operations",
    ),
    Guard(
        "a tag of a stack that never came to be goes", "leaks",
        (Patch(FILE_BACKEND, "        if not self.exists(ref):\n            self.forget(ref)", "        return"),),
        test=f"{CRASHES}::test_operation_that_ends_before_its_stack_exists_leaves_no_tag",
    ),
    Guard(
        "a tag that was cut does not stop a destroy", "stuck",
        (Patch(FILE_BACKEND, "        self._delete_corrupt_tag(ref)\n", ""),),
        test=f"{CRASHES}::test_stack_with_a_truncated_tag_is_destroyed",
    ),
    Guard(
        "a record goes only when its pull request was told", "lies",
        (Patch(LIFECYCLE, "        if not self._context.on_destroyed():", "        if self._context.on_destroyed() is None:"),),
        test=f"{CONTRACT}::test_record_stays_until_the_destroy_is_reported",
    ),
    Guard(
        "a record goes only when its destroy succeeded", "leaks",
        (Patch(LIFECYCLE, "            self._destroy_resources(stack)\n", "            with contextlib.suppress(Exception):\n                self._destroy_resources(stack)\n"),
         Patch(LIFECYCLE, "remove_stack(ref.stack)", "remove_stack(ref.stack, force=True)")),
        test="tests/stacks/test_lifecycle.py::test_failed_destroy_keeps_the_record",
    ),
    Guard(
        "an old tag does not reach a new stack", "lies",
        (Patch(LIFECYCLE, 'kept = "" if fresh else tag.incarnation', 'kept = tag.incarnation'),
         Patch(LIFECYCLE, "before = None if fresh else self._backend.read_tag(ref)", "before = self._backend.read_tag(ref)")),
        test="tests/stacks/test_lifecycle.py::test_first_up_starts_at_most_three_processes_and_an_update_two",
    ),
    Guard(
        "one operation on a stack, in the pool too", "overlaps",
        (Patch("stacks/executors/process/process_executor.py", "        if operation.ref in self._busy_stacks:", "        if False:"),),
        test=f"{CONTRACT}::test_interrupt_is_not_an_attempt",
    ),
)  # fmt: skip

DEPLOYS = (
    Guard(
        "the sign-in of an app's route applies to its label deploys", "secrets",
        (Patch("orchestrator/gateway/gateway_server.py", "(request, base, own)", "(request, own)"),),
        test="tests/gateway/test_gateway_protected_routes.py::test_the_sign_in_of_the_apps_route_applies_to_its_deploys",
    ),
    Guard(
        "a stack of which nothing says what it was is listed", "leaks",
        (Patch("orchestrator/runtime/observation/observer.py", "for key, record in parsed if key is not None}", "for key, record in parsed if key is not None and record.name}"),),
        test="tests/stories/label_deploys/test_replacements.py::test_without_its_tag_a_deploy_is_removed_however_little_of_it_exists",
    ),
    Guard(
        "a time in the future keeps nothing asleep", "stuck",
        (Patch("orchestrator/core/sleep/sleep_rules.py", "    return recorded if recorded <= now else now - WAITING_CLIENTS", "    return recorded"),),
        test="tests/stories/test_on_demand.py::test_a_clock_that_was_ahead_does_not_keep_it_asleep",
    ),
)  # fmt: skip
"""Found by chaos runs with label deploys, or added with them."""

KUBERNETES = "programs/targets/kubernetes"
IMAGES = (
    Guard(
        "an image that was found for the commit must run", "lies",
        (Patch(f"{KUBERNETES}/manifests/listed_images.py", "        if not idle:", "        if True:"),),
        test="tests/targets/kubernetes/test_listed_images.py::test_listed_image_that_no_workload_runs_is_an_error",
        expected_output="DID NOT RAISE",
    ),
    Guard(
        "a workload that runs another digest is not ready", "lies",
        (Patch(f"{KUBERNETES}/observation/running_images.py", "            if runs != wanted:", "            if False:"),),
        test="tests/targets/kubernetes/test_running_images.py::test_ready_workload_with_another_digest_fails",
    ),
    Guard(
        "a fallback image is provisional", "lies",
        (Patch("orchestrator/core/desired/image_pinning.py", "    if not provisional:", "    if True:"),),
        test="tests/stories/test_images.py::test_image_of_ci_replaces_the_fallback",
    ),
    Guard(
        "a fallback image is reported", "lies",
        (Patch("orchestrator/surfaces/reports/phase_wording.py", "    return sorted({image.fallback_tag for image in view.images.values() if image.fallback_tag})", "    return []"),),
        test="tests/stories/test_images.py::test_the_fallback_is_taken_at_once_and_said",
    ),
)  # fmt: skip
"""The wrong code in green: what nine applications of third parties taught us (I1, I2)."""

REAL = (*FILES, *PROCESSES, *DEPLOYS, *IMAGES)
