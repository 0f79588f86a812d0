"""The SDKs' main calls on the grown-up set-up: each test is one of the embedded set-up's."""

from __future__ import annotations

import pytest

from tests.azure import test_environments_v2 as environments_v2
from tests.azure import test_registries as registries
from tests.azure import test_sign_in as sign_in
from tests.azure import test_uploads as uploads
from tests.azure.v1 import test_builds as v1_builds
from tests.azure.v1 import test_environments as v1_environments

pytestmark = pytest.mark.slow
SELECTION = (
    environments_v2.test_a_version_is_never_given_other_content,
    environments_v2.test_a_yaml_file_with_everything_reads_back_as_it_was,
    environments_v2.test_anonymous_environments_are_saved_read_and_never_listed,
    environments_v2.test_long_lists_come_in_pages,
    environments_v2.test_rights_are_those_of_every_other_entrance,
    environments_v2.test_versions_and_environments_are_archived_and_restored,
    environments_v2.test_versions_are_numbered_read_and_listed,
    registries.test_a_local_build_context_is_uploaded_to_a_registry,
    registries.test_an_opened_workspace_is_a_registry_to_register_in,
    registries.test_an_owner_of_both_sides_shares_at_once_without_a_build,
    registries.test_others_share_and_an_owner_decides,
    registries.test_the_catalogue_is_the_registry_azureml,
    sign_in.test_a_client_secret_signs_in,
    sign_in.test_a_jwt_ends_when_its_access_token_is_revoked,
    uploads.test_a_changed_folder_under_the_same_version_is_a_conflict,
    uploads.test_a_local_folder_becomes_the_build_context,
    uploads.test_a_request_that_is_cut_leaves_nothing,
    uploads.test_large_files_are_sent_in_blocks,
    uploads.test_the_same_folder_again_sends_no_file_and_makes_no_version,
    v1_builds.test_a_failed_build_fails_with_the_reason_in_its_log,
    v1_builds.test_the_client_prints_the_whole_log_of_a_build,
    v1_builds.test_two_people_share_a_build_and_each_has_its_log,
    v1_environments.test_all_environments_are_listed_over_several_pages,
    v1_environments.test_an_uploaded_build_context_is_the_same_when_it_comes_back_and_can_be_cloned,
    v1_environments.test_each_person_may_what_their_role_allows,
    v1_environments.test_labels_are_set_and_moved,
    v1_environments.test_names_and_definitions_that_cannot_be_are_refused_with_the_reason,
    v1_environments.test_the_same_content_is_no_new_version_and_other_content_is,
)
globals().update({test.__name__: test for test in SELECTION})
