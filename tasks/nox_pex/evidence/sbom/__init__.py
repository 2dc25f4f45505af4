"""The bill of materials of a finished binary, in CycloneDX, and the policy for its licences."""
