"""manta crds: what it prints are upstream's definitions."""
import json
import os

import common

PLURALS = ("rayclusters", "rayjobs", "rayservices", "raycronjobs")


def recorded(plural):
    with open(os.path.join(common.SOURCE, "tests/golden/crds", plural + ".json"), encoding="utf-8") as f:
        return json.load(f)


class Crds(common.Scenario):
    def test_all_as_json(self):
        printed = json.loads(self.manta("crds", "-o", "json").stdout)
        self.assertEqual(printed["kind"], "List")
        self.assertEqual(printed["items"], [recorded(p) for p in PLURALS])

    def test_one_by_any_name(self):
        for name in ("RayJob", "rayjob", "rayjobs", "rayjobs.ray.io"):
            printed = json.loads(self.manta("crds", name, "-o", "json").stdout)
            self.assertEqual(printed, recorded("rayjobs"), name)

    def test_yaml_has_a_document_each(self):
        printed = self.manta("crds").stdout
        self.assertEqual(printed.count("\n---\n"), len(PLURALS) - 1)
        for plural in PLURALS:
            self.assertIn("  name: %s.ray.io\n" % plural, printed)

    def test_unknown_name_says_what_there_is(self):
        done = self.manta("crds", "pods", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "")
        self.assertIn("RayCronJob", done.stderr)


if __name__ == "__main__":
    common.main()
