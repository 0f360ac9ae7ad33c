// Package evidence reads what the log says about one departure, one erasure, or
// a period, and says it so that an auditor or the person concerned can use it.
//
//	certificate.go  Certificate: what is certified, and Certify, which reads it out of leaves
//	departure.go    the leaves of a case become a Departure
//	erasure.go      the leaves of an erasure become an Erasure
//	access.go       whether and when an app was shut; what is not proven
//	population.go   Survey: all departures of a period, none left out
//	bundle.go       a certificate with its proofs, written and verified
//	archive.go      a survey with the leaves around its period, written and verified
//	verify.go       Verify, for whichever of the two
//	controls.go     what a departure shows for the controls of audit frameworks
//	verify.go       Verify: whichever zip of the two it is
//	check.go        Check: a file of evidence against what whoever verifies brings along
//	asked.go        the same from a command line; exeunt-verify is a program of that alone
//	ask.go          days and SLAs as people write them
//	page.go         Page: a certificate for people, as one HTML file
//	timeline.go     its timeline, drawn
//
// Everything here is pure: leaves in, statements out. So a certificate needs no
// signature of its own. Whoever verifies it reads the same leaves, whose places
// in the log are proven, and must come to the same bytes; what the leaves do
// not say cannot stand in it.
package evidence
